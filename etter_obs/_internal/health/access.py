"""Who may see the state of each check."""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from typing import Final

from starlette.types import Scope

_FORWARDED: Final = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"})
_BEARER: Final = b"bearer "


def may_see_detail(scope: Scope, token: str | None) -> bool:
    """Tell whether this request may read ``/health/detailed`` on the app's own port.

    With a token only its bearer may (RFC 6750, compared in constant time). Without one, clients on
    the loopback interface may, unless a proxy says that it speaks for someone else.
    """
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    if token is not None:
        given = next((value for name, value in headers if name == b"authorization"), b"")
        return given[: len(_BEARER)].lower() == _BEARER and hmac.compare_digest(
            given[len(_BEARER) :].strip(), token.encode()
        )
    return _is_loopback(scope) and not any(name in _FORWARDED for name, _ in headers)


def _is_loopback(scope: Scope) -> bool:
    client: tuple[str, int] | None = scope.get("client")
    try:
        address = ip_address(client[0] if client else "")
    except ValueError:  # a Unix socket, a test client
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
