"""Whose request it is, where trusted proxies stand in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final

from starlette.types import Scope

_FORWARDED: Final = b"x-forwarded-for"

Client = tuple[str, int] | None


def _address_of(trusted: Sequence[str]) -> Callable[[Client, bytes | None], str | None]:
    """Return a function that tells a client's address from its peer and ``X-Forwarded-For``.

    The header counts only where the peer is in one of the ``trusted`` networks; then it is read
    from its end, for its beginning is whatever the caller wrote: the first address that is no
    trusted proxy is the client's.
    """
    networks = [ip_network(network) for network in trusted]

    @lru_cache(maxsize=1024)
    def is_proxy(text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in networks)

    def of(peer: Client, forwarded: bytes | None) -> str | None:
        if peer is None:
            return None
        address = peer[0]
        if forwarded is None or not is_proxy(address):
            return address
        for part in reversed(forwarded[-512:].decode("latin-1").split(",")):
            candidate = part.strip()
            try:
                ip_address(candidate)
            except ValueError:
                break  # no address: what stands before it cannot be trusted either
            address = candidate
            if not is_proxy(address):
                break
        return address

    return of


def client_of(trusted: Sequence[str]) -> Callable[[Scope], str | None]:
    """Return a function that tells a scope's client; without proxies it looks at no header."""
    if not trusted:

        def peer(scope: Scope) -> str | None:
            client = scope.get("client")
            return client[0] if client else None

        return peer
    address = _address_of(trusted)

    def behind_proxies(scope: Scope) -> str | None:
        forwarded = [value for name, value in scope["headers"] if name == _FORWARDED]
        return address(scope.get("client"), b",".join(forwarded) or None)

    return behind_proxies
