"""Values that are read from a server, but never in the path of a request or a scrape."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_LOG: Final = logging.getLogger("etter_obs")


class RefreshedValue(Generic[T]):
    """A value that a separate thread fetches again when it is requested and too old.

    A request never waits. At most one fetch runs at a time, so a server that hangs costs one
    thread.

    Args:
        fetch: Fetches the value; an exception means that no value is available.
        max_age: Seconds after which the next request starts a fetch.
    """

    def __init__(self, fetch: Callable[[], T], *, max_age: float) -> None:
        self._fetch = fetch
        self._max_age = max_age
        self._value: T | None = None
        self._fetched = float("-inf")
        self._thread: threading.Thread | None = None
        self._failed = False

    def get(self) -> T | None:
        """Return the newest value; None if it is older than ten times ``max_age``.

        Call it from one thread at a time.
        """
        age = time.monotonic() - self._fetched
        # A forked child does not have the parent's thread, so it fetches by itself.
        if age > self._max_age and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(
                target=self._refresh, name="etter-obs-refresh", daemon=True
            )
            self._thread.start()
        return self._value if age < 10 * self._max_age else None

    def _refresh(self) -> None:
        try:
            self._value = self._fetch()
            self._failed = False
        except Exception as error:  # noqa: BLE001  # a failure of the server must not become ours
            self._value = None
            if not self._failed:
                _LOG.warning("The state of a server cannot be read: %s", type(error).__name__)
            self._failed = True
        self._fetched = time.monotonic()
