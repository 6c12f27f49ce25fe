"""Redis clients: commands, server, health; and ``cached``."""

from etter_obs.cache.cached import bind, cached
from etter_obs.cache.check import redis_check
from etter_obs.cache.commands import instrument_redis
from etter_obs.cache.store import Cache

__all__ = ["Cache", "bind", "cached", "instrument_redis", "redis_check"]
