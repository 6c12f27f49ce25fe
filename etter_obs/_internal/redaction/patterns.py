"""Patterns of secrets: their shapes, and the names before them in a text.

Every pattern takes time linear in the length of its input.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from etter_obs._internal.redaction.named_values import (
    PARAMETER_NEEDLES,
    REDACTED,
    hide_assigned,
    hide_elements,
    hide_options,
    hide_paired,
    hide_parameters,
    hide_parts,
)
from etter_obs._internal.redaction.secret_names import SecretNames


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: the check digit of a card number."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit)
        if index % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def hide_card(match: re.Match[str]) -> str:
    """Replace a match of ``CARD`` if its check digit is correct."""
    digits = re.sub(r"[ +-]", "", match[0])
    return REDACTED if _luhn(digits) else match[0]


def _basic(match: re.Match[str]) -> str:
    """HTTP basic authentication (RFC 7617) is base64 of ``user:password``; a plain word is not."""
    try:
        decoded = base64.b64decode(match[2] + "==", validate=False)
    except (binascii.Error, ValueError):
        return match[0]
    return match[1] + REDACTED if b":" in decoded else match[0]


_CLOUD: Final = r"(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{30,}"
_PREFIXED: Final = (
    r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abeoprs]-[\w-]{8,}|hooks\.slack\.com/services/[\w/]+|[srp]k_(?:live|test)_\w{8,}"
    r"|whsec_\w{8,}|(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{20,}"
    r"|SG\.[\w-]{16,}\.[\w-]{16,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{30,}"
)
_PREFIX_NEEDLES: Final = (
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xox",
    "hooks.slack",
    "k_live_",
    "k_test_",
    "whsec_",
    "sk-",
    "sg.",
    "npm_",
    "pypi-",
)


class Rule(NamedTuple):
    """A rule that hides one kind of secret, and a cheap test of whether the text may contain it.

    A substring search costs 30 ns; a regular expression over the same text costs 30 times that. The
    rule applies only if the lower-case text contains one of ``gates`` and one of ``needles``; an
    empty string always matches.
    """

    gates: tuple[str, ...]
    needles: tuple[str, ...]
    apply: Callable[[str], str]


def _shape(
    pattern: str, replacement: str | Callable[[re.Match[str]], str] = REDACTED, flags: int = 0
) -> Callable[[str], str]:
    return partial(re.compile(pattern, flags).sub, replacement)


_ANY: Final = ("",)


def _rules(names: SecretNames) -> tuple[Rule, ...]:
    """Return all rules, in the order in which they apply."""
    needles = names.needles
    return (
        Rule(("(", "["), PARAMETER_NEEDLES, hide_parameters),
        Rule(
            ("-----begin",),
            _ANY,
            _shape(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END[^-]*-----|\Z)"),
        ),
        Rule(
            ("bearer",),
            _ANY,
            _shape(r"(bearer[\s+]+)[^\s\"',;\\]{8,}", rf"\1{REDACTED}", re.IGNORECASE),
        ),
        Rule(
            ("basic",),
            _ANY,
            _shape(r"(basic[\s+]+)([A-Za-z0-9+/_-]{6,}={0,2})", _basic, re.IGNORECASE),
        ),
        Rule(
            ("eyj",),  # start of a JSON web token; an encrypted one may have empty parts
            _ANY,
            _shape(r"eyJ[\w-]{4,512}\.(?:[\w-]{4,}(?:\.[\w-]*)*|(?:\.[\w-]+)+)"),
        ),
        Rule(("akia", "asia", "aiza"), _ANY, _shape(_CLOUD)),
        Rule(("_", "-", "."), _PREFIX_NEEDLES, _shape(_PREFIXED)),
        Rule(("=",), needles, partial(hide_parts, names)),
        Rule((">",), needles, partial(hide_elements, names)),
        Rule(("',", '",'), needles, partial(hide_paired, names)),
        Rule(("--",), needles, partial(hide_options, names)),
        Rule((":", "=", ">"), needles, partial(hide_assigned, names)),
        Rule(
            ("://",),
            ("@", "…"),
            # The user is hidden with the password, because the key of a Sentry DSN is in the user's
            # place. A password with an unescaped slash still ends at the last @ of its word; a
            # truncated one has no end.
            _shape(
                r"(://)(?:[^\s/?#\"'<>]{1,512}@"
                r"|[^\s/:?#\"'<>@\[]{0,512}:(?!\d{1,5}(?:[/'…]|\Z))[^\s\"<>]{1,512}(?:@|…\Z))",
                rf"\1{REDACTED}@",
            ),
        ),
        Rule(("@",), _ANY, _shape(r"[\w.+%-]{1,64}@(?:[\w-]{1,63}\.)+[^\W\d_]{2,}")),
    )


# Not part of a UUID, whose groups of digits continue. The digit precedes the look-behind, so that
# the search skips to digits at once.
CARD: Final = re.compile(r"[2-6](?<![^\W_][2-6])(?<!\.[2-6])(?:[ +-]?[0-9]){12,18}(?!\w|-\w)")
CARD_LENGTH: Final = 13
_ENCODED: Final = tuple(f"%{digit}" for digit in range(8))
"""A text with a percent-encoded ASCII character has one of these; it may contain anything."""


class Rules:
    """All rules, including the app's own names.

    Args:
        names: Tells which names are secret.
    """

    def __init__(self, names: SecretNames) -> None:
        self._rules = _rules(names)
        groups: dict[tuple[str, ...], set[str]] = {_ENCODED: {"%"}}
        for rule in self._rules:
            if rule.needles is not _ANY:
                groups.setdefault(rule.needles, set()).update(rule.gates)
        self._alone = [gate for rule in self._rules if rule.needles is _ANY for gate in rule.gates]
        self._gates = [(sorted(gates), needles) for needles, gates in groups.items()]

    def apply(self, text: str) -> str:
        """Return ``text`` without what the rules find; the same object if they find nothing."""
        lowered = text.lower()
        for rule in self._rules:
            if any(gate in lowered for gate in rule.gates) and any(
                needle in lowered for needle in rule.needles
            ):
                text = rule.apply(text)
        return CARD.sub(hide_card, text) if len(text) >= CARD_LENGTH else text

    def may_match(self, text: str) -> bool:
        """Return, in about a microsecond, whether any rule may apply to ``text``."""
        lowered = text.lower()
        for gate in self._alone:
            if gate in lowered:
                return True
        for gates, needles in self._gates:
            for gate in gates:
                if gate in lowered:
                    for needle in needles:
                        if needle in lowered:
                            return True
                    break
        return len(text) >= CARD_LENGTH and CARD.search(text) is not None
