"""What a secret looks like: the names it goes by, and the shapes it has.

Every pattern is linear in the length of its input.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

REDACTED: Final = "[redacted]"
"""What stands where a secret stood."""

_SECRET_WORDS: Final = frozenset(
    {
        "password",
        "passwd",
        "pwd",
        "passphrase",
        "passcode",
        "secret",
        "token",
        "apikey",
        "authorization",
        "cookie",
        "credential",
        "credentials",
        "jwt",
        "bearer",
        "dsn",
        "ssn",
        "cvv",
        "cvv2",
        "cvc",
        "otp",
        "pin",
        "csrf",
        "xsrf",
        "sessionid",
        "privatekey",
        "accesskey",
        "cardnumber",
        "iban",
    }
)
_SECRET_PAIRS: Final = frozenset(
    {
        "api key",
        "private key",
        "access key",
        "signing key",
        "encryption key",
        "session id",
        "card number",
        "credit card",
        "pass word",
        "pass phrase",
    }
)
_SECRET_ENDINGS: Final = (
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "sessionid",
    "privatekey",
    "accesskey",
    "cardnumber",
)
# `token_count` and `password_length` speak about a secret and hold none.
_HARMLESS_ENDINGS: Final = frozenset(
    {
        "count",
        "type",
        "limit",
        "limits",
        "length",
        "ttl",
        "expires",
        "expiry",
        "expiration",
        "age",
        "name",
        "attempts",
    }
)
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


@lru_cache(maxsize=4096)
def is_sensitive(key: str) -> bool:
    """Tell whether ``key`` names a secret, however it is spelled.

    ``userPassword``, ``X-API-Key`` and ``client_secret`` do, ``token_count`` does not.
    """
    words = [word.lower() for word in _WORD.findall(key)]
    if not words or words[-1] in _HARMLESS_ENDINGS:
        return False
    if not _SECRET_WORDS.isdisjoint(words):
        return True
    if any(" ".join(pair) in _SECRET_PAIRS for pair in pairwise(words)):
        return True
    joined = "".join(words)
    return "password" in joined or joined.endswith(_SECRET_ENDINGS)


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
    """Replace what :data:`CARD` found, if its check digit is right."""
    digits = re.sub(r"[ -]", "", match[0])
    return REDACTED if _luhn(digits) else match[0]


def _basic(match: re.Match[str]) -> str:
    """HTTP basic authentication (RFC 7617) is base64 of ``user:password``; a plain word is not."""
    try:
        decoded = base64.b64decode(match[2] + "==", validate=False)
    except (binascii.Error, ValueError):
        return match[0]
    return match[1] + REDACTED if b":" in decoded else match[0]


_ASSIGNED: Final = (
    r"((?:passw(?:or)?d|pwd|passphrase|passcode|secret|token(?!s\b|_count|_type|_limit)"
    r"|api[_ -]?key|credentials?|private[_ -]?key|access[_ -]?key|session[_ -]?id|csrf|xsrf"
    r"|cvv2?|cvc)"
    r"[A-Za-z0-9_.-]{0,32}\\?[\"']?\s{0,4}(?:=>|[:=])\s{0,4})"
    r"(\\\"(?:[^\"\\]|\\[^\"])*\\\"|\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|[^\s,;&)}\]]+)"
)
_ASSIGNED_NEEDLES: Final = (
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "credential",
    "sessioncsrf",
    "xsrf",
    "cvv",
    "cvc",
)
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
    """A pattern, and what must stand in a text (in lower case) before the pattern is worth a try.

    A substring search costs 30 ns, the regular expression over the same text 30 times that: one of
    ``gates`` must be there (an empty one always is), and one of ``needles``.
    """

    gates: tuple[str, ...]
    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str]


_ANY: Final = ("",)
_RULES: Final = (
    Rule(
        ("-----begin",),
        _ANY,
        re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END[^-]*-----|\Z)"),
        REDACTED,
    ),
    Rule(
        (":", "="),
        ("authorization", "cookie"),
        re.compile(
            r"((?:authorization|cookie)\\?[\"']?\s{0,4}[:=]\s{0,4}\\?[\"']?)[^\"'\\\r\n]+",
            re.IGNORECASE,
        ),
        rf"\1{REDACTED}",
    ),
    Rule(
        ("bearer",),
        _ANY,
        re.compile(r"(bearer\s+)[^\s\"',;\\]{8,}", re.IGNORECASE),
        rf"\1{REDACTED}",
    ),
    Rule(
        ("basic",),
        _ANY,
        re.compile(r"(?i)(basic\s+)([A-Za-z0-9+/_-]{6,}={0,2})"),
        _basic,
    ),
    Rule(("eyj",), _ANY, re.compile(r"eyJ[\w-]{4,512}\.[\w-]{4,}(?:\.[\w-]*)*"), REDACTED),
    Rule(("akia", "asia", "aiza"), _ANY, re.compile(_CLOUD), REDACTED),
    Rule(("_", "-", "."), _PREFIX_NEEDLES, re.compile(_PREFIXED), REDACTED),
    Rule((":", "="), _ASSIGNED_NEEDLES, re.compile(_ASSIGNED, re.IGNORECASE), rf"\1{REDACTED}"),
    Rule(
        ("://",),
        ("@",),
        # The user goes with the password: a Sentry DSN's key stands where a user does. A password
        # that holds an unescaped slash still ends at the last @ of its word.
        re.compile(r"(://)(?:[^\s/?#\"'<>]+|[^\s/:?#\"'<>@]*:(?!\d{1,5}/)[^\s\"'<>]+)@"),
        rf"\1{REDACTED}@",
    ),
    Rule(("@",), _ANY, re.compile(r"[\w.+%-]{1,64}@(?:[\w-]{1,63}\.)+[^\W\d_]{2,}"), REDACTED),
)
# No part of a UUID, whose groups of digits go on. The digit stands before the look behind it, so
# that the search skips to digits at once.
CARD: Final = re.compile(r"[2-6](?<![\w.][2-6])(?:[ -]?[0-9]){12,18}(?!\w|-\w)")
CARD_LENGTH: Final = 13


_GATES: Final = [(gate, rule.needles) for rule in _RULES for gate in rule.gates]


def candidates(text: str) -> list[Rule]:
    """Return the rules whose pattern may match ``text``, in the order in which they apply."""
    lowered = text.lower()
    return [
        rule
        for rule in _RULES
        if any(gate in lowered for gate in rule.gates)
        and any(needle in lowered for needle in rule.needles)
    ]


def suspicious(text: str) -> bool:
    """Tell, in about a microsecond, whether any rule may apply to ``text``."""
    lowered = text.lower()
    for gate, needles in _GATES:
        if gate in lowered:
            for needle in needles:
                if needle in lowered:
                    return True
    return len(text) >= CARD_LENGTH and CARD.search(text) is not None
