"""Tells from a name whether what stands under it is a secret: a key's, a header's, a parameter's.

A name is taken apart into words, and the words decide: ``author`` has none of a secret's.
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
# Secrets where the name ends so; `session_count`, `auth_method` and `pass_rate` hold none.
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
# A name may run its words together: `authtoken`, `AWSACCESSKEY`.
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
# These are counted more often than listed: `tokens` are what a language model takes, `sessions`
# are open, `pins` a chip has.
_COUNTED: Final = ("tokens", "sessions", "pins")
# `token_count` and `password_length` speak about a secret and hold none.
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
"""One of them is in every name that :func:`is_sensitive` knows, once it is in lower case."""


def is_sensitive(name: str) -> bool:
    """Tell whether ``name`` names a secret, however it is spelled, in the singular or the plural.

    ``userPassword``, ``X-API-Key`` and ``client_secrets`` do, ``token_count`` does not.
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
        own: further names, however they are spelled: ``pickup_code`` is also ``pickupCode``, and
            what ``shop_pickup_codes`` ends in.
    """

    def __init__(self, own: Iterable[str] = ()) -> None:
        self._own = [words for name in own if (words := split_words(name))]
        self.needles = (*NEEDLES, *(words[0] for words in self._own))
        """One of them is in every name that is known, once it is in lower case."""
        self.last_words = frozenset(words[-1] for words in self._own if len(words) > 1)
        """What may follow the first word of a name of the app's after a space, in prose."""
        self._is_own = lru_cache(maxsize=4096)(self._look)

    def know(self, name: str) -> bool:
        """Tell whether ``name`` names a secret."""
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
    """Return the words of a name, in lower case and in the singular."""
    return [_singular(word.lower()) for word in _WORD.findall(name)]


def _singular(word: str) -> str:
    """Return ``word`` without its plural's s, but for what is counted."""
    if word.endswith(("ss", *_COUNTED)):
        return word
    return word.removesuffix("s")


def is_of_a_header(name: str) -> bool:
    """Tell whether ``name`` is of a header whose value takes the rest of the line."""
    lowered = name.lower()
    return "authorization" in lowered or "cookie" in lowered
