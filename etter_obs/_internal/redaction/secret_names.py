"""Decide from a name whether its value is a secret: of a key, a header or a parameter.

A name is split into words, and the words decide: ``author`` has no word of a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Final

_WORDS: Final = frozenset(
    {
        "password",
        "passwd",
        "pwd",
        "pw",
        "passphrase",
        "passcode",
        "secret",
        "token",
        "apikey",
        "authorization",
        "cookie",
        "credential",
        "jwt",
        "bearer",
        "dsn",
        "ssn",
        "cvv",
        "cvv2",
        "cvc",
        "otp",
        "totp",
        "pin",
        "csrf",
        "xsrf",
        "sessionid",
        "privatekey",
        "accesskey",
        "accountkey",
        "cardnumber",
        "iban",
    }
)
# A secret only at the end of a name; `session_count`, `auth_method` and `pass_rate` are not.
_LAST_WORDS: Final = frozenset({"pass", "auth", "session", "sessid", "sig"})
_PAIRS: Final = frozenset(
    {
        *(f"{whose} key" for whose in ("api", "private", "access", "signing", "encryption")),
        *(f"{whose} key" for whose in ("account", "session", "master", "shared", "auth")),
        *(f"{whose} token" for whose in ("access", "id", "refresh", "auth", "api", "session")),
        *(f"{whose} token" for whose in ("csrf", "xsrf", "bearer", "reset", "device", "user")),
        "session id",
        "card number",
        "credit card",
        "pass word",
        "pass phrase",
        "mfa code",
        "amz signature",
    }
)
# A name may join its words: `authtoken`, `AWSACCESSKEY`.
_ENDINGS: Final = (
    "passwd",
    "passphrase",
    "secret",
    "token",
    "authorization",
    "cookie",
    "credential",
    "sessid",
)
_JOINED_PAIRS: Final = tuple(pair.replace(" ", "") for pair in _PAIRS)
# These are usually counts: `tokens` of a language model, open `sessions`, `pins` of a chip.
_COUNTED: Final = ("tokens", "sessions", "pins")
# `token_count` and `password_length` describe a secret but do not contain one.
_HARMLESS_ENDINGS: Final = frozenset(
    {
        "count",
        "type",
        "limit",
        "length",
        "ttl",
        "expire",
        "expiry",
        "expiration",
        "age",
        "name",
        "attempt",
    }
)
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
_MAX_NAME: Final = 256

NEEDLES: Final = (
    "pass",
    "token",
    "secret",
    "key",
    "auth",
    "sess",
    "cookie",
    "cred",
    "pw",
    "jwt",
    "bearer",
    "dsn",
    "ssn",
    "cvv",
    "cvc",
    "otp",
    "pin",
    "srf",
    "sig",
    "card",
    "iban",
    "mfa",
)
"""Every name that ``is_sensitive`` recognises contains one of these in lower case."""


def is_sensitive(name: str) -> bool:
    """Return whether ``name`` names a secret, in any spelling, singular or plural.

    ``userPassword``, ``X-API-Key`` and ``client_secrets`` do; ``token_count`` does not.
    """
    return _is_sensitive(name[-_MAX_NAME:])


@lru_cache(maxsize=4096)
def _is_sensitive(name: str) -> bool:
    words = split_words(name)
    if not words or words[-1] in _HARMLESS_ENDINGS:
        return False
    if words[-1] in _LAST_WORDS or not _WORDS.isdisjoint(words):
        return True
    if any(f"{first} {second.removesuffix('s')}" in _PAIRS for first, second in pairwise(words)):
        return True
    joined = "".join(words)
    return (
        "password" in joined
        or joined.endswith(_ENDINGS)
        or joined.removesuffix("s").endswith(_JOINED_PAIRS)
    )


class SecretNames:
    """Names of secrets: those that this module knows, and the app's own.

    Args:
        own: The app's own names, in any spelling: ``pickup_code`` also matches ``pickupCode`` and
            ``shop_pickup_codes``.
    """

    def __init__(self, own: Iterable[str] = ()) -> None:
        self._own = [words for name in own if (words := split_words(name))]
        self.needles = (*NEEDLES, *(words[0] for words in self._own))
        """Every known name contains one of these in lower case."""
        self.last_words = frozenset(words[-1] for words in self._own if len(words) > 1)
        """Last words of the app's own names; in prose they may follow the first word."""
        self._is_own = lru_cache(maxsize=4096)(self._look)

    def know(self, name: str) -> bool:
        """Return whether ``name`` names a secret."""
        return is_sensitive(name) or (bool(self._own) and self._is_own(name[-_MAX_NAME:]))

    def _look(self, name: str) -> bool:
        words = split_words(name)
        for own in self._own:
            size = len(own)
            for start in range(len(words) - size + 1):
                is_last = start + size == len(words)
                if words[start : start + size] == own and (
                    is_last or words[-1] not in _HARMLESS_ENDINGS
                ):
                    return True
            if "".join(words) == "".join(own):
                return True
        return False


def split_words(name: str) -> list[str]:
    """Return the words of a name, in lower case and singular."""
    return [_singular(word.lower()) for word in _WORD.findall(name)]


def _singular(word: str) -> str:
    """Return ``word`` without the plural s, except for words that are counts."""
    if word.endswith(("ss", *_COUNTED)):
        return word
    return word.removesuffix("s")


def is_of_a_header(name: str) -> bool:
    """Return whether ``name`` is of a header whose value extends to the end of the line."""
    lowered = name.lower()
    return "authorization" in lowered or "cookie" in lowered
