"""A bounded queue and the daemon thread that empties it, for work that no caller waits for.

``put`` costs an append and two comparisons. It does not notify the thread of each item, because
that costs a system call and a thread switch. The thread polls while there is traffic and sleeps
when there is none.

A poll is expensive in a busy process. The thread needs the interpreter's lock, and an event loop
that never rests releases it for microseconds only: each release wakes the thread in vain, until it
wins. So polls are rare and batches large.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

_IDLE_ROUNDS: Final = 5
_CHECK_INTERVAL: Final = 0.05
"""Seconds between two checks for ``hopeless`` while waiting."""


class BatchWorker(Generic[T]):
    """Pass queued items to ``handle`` in order, in lists of at most ``batch``, from one thread.

    The thread starts with the first item, in the process that puts it. A forked child gets an empty
    queue and its own thread; the parent still handles the items that are waiting.

    Args:
        name: Name of the thread.
        capacity: Maximum number of waiting items; further items are refused and counted.
        batch: Maximum number of items per call of ``handle``. If that call ends in a system call,
            other threads run then.
        linger: Seconds between two polls of an empty queue.
        handle: Handles a list of items; if it raises, the items count as dropped.
        dropped: Called with the number of refused items, on the thread that offered them.
        forked: Called in a forked child before any item is put there.
        gathers: Whether items wait up to ``linger`` seconds until a batch is full.
    """

    def __init__(
        self,
        name: str,
        *,
        capacity: int,
        batch: int,
        linger: float,
        handle: Callable[[list[T]], None],
        dropped: Callable[[int], None],
        forked: Callable[[], None] = lambda: None,
        gathers: bool = False,
    ) -> None:
        self._name = name
        self._capacity = capacity
        self._batch = batch
        self._linger = linger
        self._handle = handle
        self._dropped = dropped
        self._forked = forked
        self._gathers = gathers
        self._queue: deque[T | threading.Event] = deque()
        self._closed = False
        self._reset()
        _workers.add(self)

    def __len__(self) -> int:
        """Return the number of waiting items."""
        return len(self._queue)

    def put(self, item: T) -> None:
        """Queue ``item``; refuse it at once if the queue is full or closed. Never waits."""
        waiting = len(self._queue)
        if waiting >= self._capacity or self._closed:
            self._dropped(1)
            return
        self._queue.append(item)
        if self._asleep or (self._gathers and waiting + 1 == self._batch):
            self.wake()

    def wake(self) -> None:
        """Make the thread poll the queue now; start the thread if this process has none."""
        self._asleep = False
        if self._thread is None:
            self._start()
        with suppress(RuntimeError):  # already notified
            self._wanted.release()

    def is_current_thread(self) -> bool:
        """Return whether the caller runs on this worker's own thread."""
        return threading.current_thread() is self._thread

    def flush(self, deadline: float, hopeless: Callable[[], bool] = lambda: False) -> bool:
        """Wait until every item put before is handled.

        Args:
            deadline: Maximum wait in seconds.
            hopeless: Ends the wait early once it returns true.

        Returns:
            Whether every item was handled.
        """
        if self._thread is None and not self._queue:
            return True
        reached = threading.Event()
        self._flushes.append(reached)
        self._queue.append(reached)
        self.wake()
        return _waited(reached.wait, reached.is_set, deadline, hopeless)

    def close(self, deadline: float, hopeless: Callable[[], bool] = lambda: False) -> bool:
        """Handle the waiting items, then end the thread. A second call does nothing.

        Items that remain after the deadline count as dropped. A thread that is stuck in a system
        call is left behind; it is a daemon thread and does not keep the process alive.

        Args:
            deadline: Maximum wait in seconds.
            hopeless: Ends the wait early once it returns true.

        Returns:
            Whether every item was handled.
        """
        end = time.monotonic() + deadline
        self._closed = True
        if self._thread is None and not self._queue:
            return True
        self.wake()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            left_s = max(0.0, end - time.monotonic())
            _waited(thread.join, lambda: not thread.is_alive(), left_s, hopeless)
        left = sum(1 for item in list(self._queue) if not isinstance(item, threading.Event))
        if left:
            self._queue.clear()
            self._dropped(left)
        _workers.discard(self)
        return left == 0 and (thread is None or not thread.is_alive())

    def _reset(self) -> None:
        self._queue.clear()
        self._flushes: deque[threading.Event] = deque()
        self._starting = threading.RLock()
        # A held lock means that nothing is wanted. Unlike Event.set, releasing a lock is one atomic
        # step, so a signal handler may log while it interrupts logging code.
        self._wanted = threading.Lock()
        self._wanted.acquire()
        self._thread: threading.Thread | None = None
        self._asleep = True

    def _start(self) -> None:
        with self._starting:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is shutting down, or no thread is available
                self._thread = None
                self._asleep = True

    def _run(self) -> None:
        rounds = 0
        while True:
            if self._gathers:
                self._gather()
            items, marker = self._take()
            if items:
                try:
                    self._handle(items)
                except Exception:  # noqa: BLE001  # the thread must survive
                    self._dropped(len(items))
                rounds = 0
            if marker is not None:
                self._flushes.popleft()
                marker.set()
            if items or marker is not None:
                continue
            if self._closed:
                return
            rounds += 1
            if rounds < _IDLE_ROUNDS:
                self._wanted.acquire(timeout=self._linger)
            else:
                # The order matters: a caller that appends after this check sees the flag.
                self._asleep = True
                if not self._queue:
                    self._wanted.acquire()
                self._asleep = False
                rounds = 0

    def _gather(self) -> None:
        """Wait until the batch is full, the oldest item is old enough, or a flush is urgent."""
        end = time.monotonic() + self._linger
        while 0 < len(self._queue) < self._batch and not (self._closed or self._flushes):
            left = end - time.monotonic()
            if left <= 0 or not self._wanted.acquire(timeout=left):
                return

    def _take(self) -> tuple[list[T], threading.Event | None]:
        """Return the next items: up to a full batch or to the marker of a flush."""
        items: list[T] = []
        append, popleft = items.append, self._queue.popleft
        with suppress(IndexError):  # the queue is empty
            for _ in range(self._batch):
                item = popleft()
                if type(item) is threading.Event:
                    return items, item
                append(item)  # type: ignore[arg-type]  # not a marker
        return items, None


def _waited(
    wait: Callable[[float], object],
    done: Callable[[], bool],
    seconds: float,
    hopeless: Callable[[], bool],
) -> bool:
    """Wait until ``done``, in short steps, because nothing notifies us of hopelessness.

    Args:
        wait: Waits at most the given number of seconds.
        done: Returns whether the wait is over.
        seconds: Maximum wait in seconds.
        hopeless: Ends the wait early once it returns true.

    Returns:
        What ``done`` returns at the end.
    """
    end = time.monotonic() + seconds
    while True:
        left = end - time.monotonic()
        wait(max(0.0, min(left, _CHECK_INTERVAL)))
        if done() or left <= 0 or hopeless():
            return done()


_workers: Final[weakref.WeakSet[BatchWorker[Any]]] = weakref.WeakSet()


def _restart_in_child() -> None:
    for worker in list(_workers):
        worker._reset()
        worker._forked()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_restart_in_child)
