"""A sync Redis client with a timeout on every answer."""

from __future__ import annotations

from typing import Any, Final

from redis import BlockingConnectionPool, ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

_POOLS: Final = (ConnectionPool, BlockingConnectionPool)


def bounded(client: Any, timeout: float) -> Any:
    """Return a client of the same server whose answers take at most ``timeout`` seconds.

    Its connections have the client's configuration, but it does not retry. A client of a cluster
    or of a Sentinel creates its connections in another way and is returned unchanged.
    """
    pool: Any = getattr(client, "connection_pool", None)
    if type(pool) not in _POOLS:
        return client
    limits = {
        name: min(pool.connection_kwargs.get(name) or timeout, timeout)
        for name in ("socket_timeout", "socket_connect_timeout")
    }
    own = ConnectionPool(
        connection_class=pool.connection_class,
        max_connections=pool.max_connections,
        **{
            **pool.connection_kwargs,
            **limits,
            "retry": Retry(NoBackoff(), 0),
            "decode_responses": False,
        },
    )
    return Redis(connection_pool=own)
