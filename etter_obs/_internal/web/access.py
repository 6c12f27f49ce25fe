"""Who may see the console: a browser or a program on this machine that has the token.

Each check closes one way in. The peer's address keeps out other machines; the Host header, pages
that point a name of their own at this machine (DNS rebinding); Sec-Fetch-Site and Origin, pages of
other origins; the token, other users and programs of this machine.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import Enum
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qs

from starlette.types import Scope

from etter_obs._internal.bearer import has_bearer
from etter_obs._internal.health.access import is_from_this_machine

_SAME_ORIGIN: Final = (b"same-origin", b"none")
"""``none``: the user typed the address, or opened it from a terminal."""
TOKEN_PARAMETER: Final = "token"  # noqa: S105  # a name


class Verdict(Enum):
    """The answer to a request."""

    GRANTED = "has the token"
    TOKEN_IN_LINK = "brings the token in its address"  # noqa: S105  # a sentence
    NO_TOKEN = "is from this machine and lacks the token"  # noqa: S105  # a sentence
    REFUSED = "is from elsewhere"


class Access:
    """Decides about requests.

    Args:
        token: The secret that the link carries.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        # Cookies do not distinguish ports: consoles of several apps must not share one.
        self.cookie = f"etter_obs_{hashlib.sha256(token.encode()).hexdigest()[:8]}"
        """Name of the cookie that holds the token."""

    def of(self, scope: Scope) -> Verdict:
        """Return whether a request may see the console."""
        if not is_from_this_machine(scope) or not _is_same_origin(scope):
            return Verdict.REFUSED
        headers = dict(scope["headers"])
        if has_bearer(headers.get(b"authorization"), self._token) or self._has_cookie(scope):
            return Verdict.GRANTED
        query = scope.get("query_string", b"").decode("latin-1")
        given = parse_qs(query).get(TOKEN_PARAMETER, [""])[0]
        return Verdict.TOKEN_IN_LINK if self._is_token(given.encode()) else Verdict.NO_TOKEN

    def set_cookie(self, scope: Scope, path: str) -> bytes:
        """Return the header that stores the token: no script reads it, no other site sends it."""
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        kept = f"{self.cookie}={self._token}; Path={path}; HttpOnly; SameSite=Strict{secure}"
        return kept.encode()

    def _has_cookie(self, scope: Scope) -> bool:
        name = self.cookie.encode()
        for header, value in scope["headers"]:
            if header == b"cookie":
                for pair in value.split(b";"):
                    key, _, given = pair.strip().partition(b"=")
                    if key == name and self._is_token(given):
                        return True
        return False

    def _is_token(self, given: bytes) -> bool:
        return hmac.compare_digest(given, self._token.encode())


def _is_same_origin(scope: Scope) -> bool:
    """Return whether the request names this machine, and comes from no page of another origin."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1 or not _is_loopback_name(hosts[0]):
        return False
    for name, value in scope["headers"]:
        if name == b"sec-fetch-site" and value not in _SAME_ORIGIN:
            return False
        if name == b"origin" and value.partition(b"://")[2] != hosts[0]:
            return False
    return True


def _is_loopback_name(host: bytes) -> bool:
    name = host.decode("latin-1").lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    if name == "localhost" or name.endswith(".localhost"):  # browsers never look these up
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
