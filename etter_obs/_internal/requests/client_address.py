"""Find the client's address behind trusted proxies."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final

from starlette.types import Scope

from etter_obs._internal.settings.parsers import UNIX_SOCKET

_FORWARDED: Final = b"x-forwarded-for"
_MAX_BYTES: Final = 512
"""The part of the header that is read, counted from its end; it holds two dozen addresses."""
_WITH_PORT: Final = re.compile(r"(?:\[([^\[\]]+)\]|([0-9.]+))(?::[0-9]{1,5})?")
"""``[IPv6]``, ``[IPv6]:port``, ``IPv4:port``: proxies may add a port; bare IPv6 has colons."""

Client = tuple[str, int] | None


def _peer(client: Client) -> str | None:
    """Return the peer's address; None on a Unix socket, where granian sends an empty one."""
    return (client[0] or None) if client else None


def _address_of(trusted: Sequence[str]) -> Callable[[Client, bytes | None], str | None]:
    """Return a function that finds a client's address from its peer and ``X-Forwarded-For``.

    The header counts only if the peer is in one of the ``trusted`` networks, or is a Unix socket
    and ``trusted`` contains ``unix:``. The function reads the header from its end, because the
    caller controls its beginning: the first address that is not a trusted proxy is the client's.
    """
    networks = [ip_network(network) for network in trusted if network != UNIX_SOCKET]
    trusts_socket = UNIX_SOCKET in trusted

    @lru_cache(maxsize=1024)
    def read(text: str) -> tuple[str, bool] | None:
        """Return the address in ``text`` and whether it is a trusted proxy; None if invalid."""
        found = _WITH_PORT.fullmatch(text)
        try:
            address = ip_address(found[1] or found[2] if found else text)
        except ValueError:
            return None
        # A socket bound to both families shows IPv4 peers as ::ffff:10.0.0.1.
        plain = getattr(address, "ipv4_mapped", None) or address
        return str(plain), any(address in network or plain in network for network in networks)

    def of(peer: Client, forwarded: bytes | None) -> str | None:
        address = _peer(peer)
        if forwarded is None:
            return address
        if address is None:
            is_proxy = trusts_socket
        else:
            nearest = read(address)
            is_proxy = nearest is not None and nearest[1]
        if not is_proxy:
            return address
        if len(forwarded) > _MAX_BYTES:
            forwarded = forwarded[-_MAX_BYTES:].partition(b",")[2]  # omits a half entry
        for part in reversed(forwarded.decode("latin-1").split(",")):
            entry = read(part.strip())
            if entry is None:
                break  # not an address, so the entries before it cannot be trusted
            address, is_proxy = entry
            if not is_proxy:
                break
        return address

    return of


def client_of(trusted: Sequence[str]) -> Callable[[Scope], str | None]:
    """Return a function that finds a scope's client; without proxies it reads no header."""
    if not trusted:

        def peer(scope: Scope) -> str | None:
            return _peer(scope.get("client"))

        return peer
    address = _address_of(trusted)

    def behind_proxies(scope: Scope) -> str | None:
        forwarded = [value for name, value in scope["headers"] if name == _FORWARDED]
        return address(scope.get("client"), b",".join(forwarded) or None)

    return behind_proxies
