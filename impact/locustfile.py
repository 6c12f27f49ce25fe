"""Users of the load test: the mixture of all requests, as locust's users send it.

Started by ``make loadtest``; by hand: locust -f impact/locustfile.py --headless -u 100 -r 10 -H URL
"""

from __future__ import annotations

import random
import re
from typing import Any, Final
from urllib.parse import urlencode

from locust import FastHttpUser, constant_throughput, events, task

from impact.workloads import World, everything, prepare

_PER_USER: Final = 0.55
"""Requests per second of a user: 1,000 users send 550 if they are answered in time."""
_NUMBER: Final = re.compile(r"/\d+")

_worlds: list[World] = []


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def _sign_in(environment: Any, **_: Any) -> None:
    _worlds.append(prepare(environment.host))


class Visitor(FastHttpUser):
    """Sends a request every two seconds."""

    wait_time = constant_throughput(_PER_USER)
    network_timeout = connection_timeout = 30.0

    def on_start(self) -> None:
        """Give each user its own draws."""
        self._draw = random.Random()

    @task
    def ask(self) -> None:
        """Send the next request of the mixture."""
        call = everything(_worlds[-1], self._draw)
        query = f"?{urlencode(call.query)}" if call.query else ""
        self.client.request(
            call.method,
            call.path + query,
            name=_NUMBER.sub("/{id}", call.path),
            json=call.body,
            headers={"Authorization": f"Bearer {call.token}"},
        )
