"""Whose request it is, where trusted proxies stand in between."""

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
"""What is read of the header, from its end; two dozen addresses have room."""
_WITH_PORT: Final = re.compile(r"(?:\[([^\[\]]+)\]|([0-9.]+))(?::[0-9]{1,5})?")
"""``[IPv6]``, ``[IPv6]:port``, ``IPv4:port``: some proxies write ports (IPv6 alone has colons)."""

Client = tuple[str, int] | None


def _peer(client: Client) -> str | None:
    """Return whoever connected; on a Unix socket servers write None, or (granian) nothing."""
    return (client[0] or None) if client else None


def _address_of(trusted: Sequence[str]) -> Callable[[Client, bytes | None], str | None]:
    """Return a function that tells a client's address from its peer and ``X-Forwarded-For``.

    The header counts only where the peer is in one of the ``trusted`` networks, or on a Unix socket
    where ``trusted`` holds ``unix:``. It is read from its end, for its beginning is whatever the
    caller wrote: the first address that is no trusted proxy is the client's.
    """
    networks = [ip_network(network) for network in trusted if network != UNIX_SOCKET]
    trusts_socket = UNIX_SOCKET in trusted

    @lru_cache(maxsize=1024)
    def read(text: str) -> tuple[str, bool] | None:
        """Return the address in ``text`` and whether a proxy has it; None where there is none."""
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
            forwarded = forwarded[-_MAX_BYTES:].partition(b",")[2]  # what is cut is no address
        for part in reversed(forwarded.decode("latin-1").split(",")):
            entry = read(part.strip())
            if entry is None:
                break  # no address: what stands before it cannot be trusted either
            address, is_proxy = entry
            if not is_proxy:
                break
        return address

    return of


def client_of(trusted: Sequence[str]) -> Callable[[Scope], str | None]:
    """Return a function that tells a scope's client; without proxies it looks at no header."""
    if not trusted:

        def peer(scope: Scope) -> str | None:
            return _peer(scope.get("client"))

        return peer
    address = _address_of(trusted)

    def behind_proxies(scope: Scope) -> str | None:
        forwarded = [value for name, value in scope["headers"] if name == _FORWARDED]
        return address(scope.get("client"), b",".join(forwarded) or None)

    return behind_proxies
