"""Delivers encoded OTLP requests: tries again within a time, and knows whether that works."""

from __future__ import annotations

import threading
import time
from typing import Final

from etter_obs._internal.otlp.transport import NotSent, Transport, make_transport
from etter_obs._internal.settings import OtlpTarget

_FIRST_DELAY: Final = 0.2
_DOWN: Final = 3
"""Attempts in a row that must have failed; fewer may be a moment of overload."""


class Delivery:
    """Sends requests of one signal to one receiver, from one thread.

    Args:
        target: where to and how.
        path: of the signal, below the endpoint of OTLP over HTTP.
        method: of the signal, of OTLP over gRPC.
        timeout: seconds that a request may take with its retries, unless ``target`` has its own.

    The connection is made with the first request, in the process that sends it: a gRPC channel does
    not survive a fork.
    """

    def __init__(self, target: OtlpTarget, *, path: str, method: str, timeout: float) -> None:
        self._target = target
        self._path = path
        self._method = method
        self._timeout = target.timeout or timeout
        self._transport: Transport | None = None
        self._closing = threading.Event()
        self._failures = 0

    @property
    def is_down(self) -> bool:
        """Whether the newest attempts failed: at the end of the process nobody waits for it."""
        return self._failures >= _DOWN

    def send(self, payload: bytes) -> None:
        """Send a request, again and again for as long as it may take.

        Raises:
            NotSent: it did not arrive.
        """
        end, delay = time.monotonic() + self._timeout, _FIRST_DELAY
        while True:
            try:
                if self._transport is None:
                    self._transport = make_transport(self._target, self._path, self._method)
                self._transport.send(payload, max(0.1, end - time.monotonic()))
            except NotSent as error:
                self._failures += 1
                late = time.monotonic() + delay >= end
                if not error.retryable or late or self._closing.wait(delay):
                    raise
                delay *= 2
            else:
                self._failures = 0
                return

    def give_up(self) -> None:
        """Try nothing a second time from now on: what fails has failed."""
        self._closing.set()

    def close(self) -> None:
        """End what is under way and close the connection."""
        self._closing.set()
        if self._transport is not None:
            self._transport.close()

    def forked(self) -> None:
        """Forget the parent's connection, in a forked child."""
        self._transport = None
        self._closing = threading.Event()
        self._failures = 0
