"""Delivers encoded OTLP requests: retries within a timeout and detects a receiver that is down."""

from __future__ import annotations

import threading
import time
from typing import Final

from etter_obs._internal.otlp.transport import NotSent, Transport, make_transport
from etter_obs._internal.settings import OtlpTarget

_FIRST_RETRY_DELAY: Final = 0.2
_MAX_FAILURES: Final = 3
"""Failed attempts in a row that mean down; fewer may be a short overload."""


class Delivery:
    """Sends requests of one signal to one receiver, from one thread.

    Args:
        target: the receiver, its protocol and options.
        path: the signal's path below the endpoint, for OTLP over HTTP.
        method: the signal's method, for OTLP over gRPC.
        timeout: seconds that a request may take with its retries, unless ``target`` sets a timeout.

    The first request opens the connection, in the process that sends it, because a gRPC channel
    does not survive a fork.
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
        """Return whether the latest attempts failed; then the end of the process does not wait."""
        return self._failures >= _MAX_FAILURES

    def send(self, payload: bytes) -> None:
        """Send a request; retry until the timeout.

        Raises:
            NotSent: the receiver did not accept it.
        """
        end, delay = time.monotonic() + self._timeout, _FIRST_RETRY_DELAY
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
        """Stop retrying from now on."""
        self._closing.set()

    def close(self) -> None:
        """Cancel a running request and close the connection."""
        self._closing.set()
        if self._transport is not None:
            self._transport.close()

    def forked(self) -> None:
        """Discard the parent's connection, in a forked child."""
        self._transport = None
        self._closing = threading.Event()
        self._failures = 0
