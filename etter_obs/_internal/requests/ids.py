"""The id of a request: the caller's id if it is safe, else a new one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from etter_obs._internal.conventions import Header
from etter_obs._internal.random_ids import random_ids

REQUEST_ID: Final = Header.REQUEST_ID.lower().encode()
"""The header's name in ASGI's form."""
_SAFE_ID: Final = re.compile(rb"[A-Za-z0-9._=:-]{1,64}")
new_id: Final = random_ids(32)


def id_taker(redact: Callable[[str], str]) -> Callable[[bytes], str]:
    """Return a function that returns the request's id for the id header of the caller.

    An id from outside appears in headers, logs and spans, so it must be safe in each: short, made
    of a few allowed characters, and unchanged by ``redact``, which would hide it everywhere.
    """

    def take(given: bytes) -> str:
        if _SAFE_ID.fullmatch(given):
            text = given.decode("ascii")
            if redact(text) == text:
                return text
        return new_id()

    return take
