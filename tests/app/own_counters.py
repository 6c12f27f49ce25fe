"""An app that counts by itself, with prometheus_client, before anything is set up."""

from __future__ import annotations

import os

from fastapi import FastAPI
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily

from etter_obs import setup_observability

ORDERS = Counter("shop_orders", "Orders.", ["kind"])
AMOUNTS = Histogram("shop_amount", "Amounts.", buckets=(1, 10))
QUEUE = Gauge("shop_queue", "Orders that this worker holds.")
OLDEST = Gauge("shop_oldest", "Age of the oldest.", multiprocess_mode="livemax")


class SharedTotal:
    """A collector that reads a total which all workers share, as from a database."""

    def collect(self) -> list[CounterMetricFamily]:
        """Return it."""
        return [CounterMetricFamily("shop_rows", "Rows in the database.", 1000)]


REGISTRY.register(SharedTotal())
app = FastAPI()


@app.post("/orders")
async def order() -> int:
    """Count one, and return the worker's id."""
    ORDERS.labels("web").inc()
    AMOUNTS.observe(5, {"order": "a"})
    QUEUE.inc()
    OLDEST.set(os.getpid())
    return os.getpid()


setup_observability(app)
