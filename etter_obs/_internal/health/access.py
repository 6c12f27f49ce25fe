"""Access to answers that are not for everybody: the state of each check, the console."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from starlette.types import Scope

from etter_obs._internal.bearer import has_bearer

_FORWARDED: Final = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"})


def may_see_detail(scope: Scope, token: str | None) -> bool:
    """Return whether this request may read ``/health/detailed`` on the app's own port.

    If a token is set, only its bearer may. Otherwise clients on the loopback interface may, unless
    a proxy's header shows that the client is elsewhere.
    """
    if token is not None:
        headers = dict(reversed(scope["headers"]))  # the first of repeated headers counts
        return has_bearer(headers.get(b"authorization"), token)
    return is_from_this_machine(scope)


def is_from_this_machine(scope: Scope) -> bool:
    """Return whether the peer is on loopback, and no proxy's header says otherwise."""
    if any(name in _FORWARDED for name, _ in scope["headers"]):
        return False
    client: tuple[str, int] | None = scope.get("client")
    try:
        address = ip_address(client[0] if client else "")
    except ValueError:  # a Unix socket, a test client
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
