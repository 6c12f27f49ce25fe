"""Users of the load test: the mixture of all requests, as locust's users send it.

``python -m impact.loadtest`` starts it, and passes what the users need to know in the environment:
signing in is no part of the run.
"""

from __future__ import annotations

import json
import os
import random
import re
from typing import Final
from urllib.parse import urlencode

import gevent
from locust import FastHttpUser, constant_throughput, task

from impact.workloads import World, everything

_PER_USER: Final = 0.55
"""Requests per second of a user: 1,000 users send 550 if they are answered in time."""
_NUMBER: Final = re.compile(r"/\d+")

_WORLD: Final = World(**json.loads(os.environ["ETTER_LOAD_WORLD"]))

# The run time counts from gevent's clock, which has stood still during the imports.
gevent.get_hub().loop.update_now()


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
        call = everything(_WORLD, self._draw)
        query = f"?{urlencode(call.query)}" if call.query else ""
        self.client.request(
            call.method,
            call.path + query,
            name=_NUMBER.sub("/{id}", call.path),
            json=call.body,
            headers={"Authorization": f"Bearer {call.token}"},
        )
