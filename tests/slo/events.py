"""Raw requests, and what Prometheus would scrape of them.

The truth is counted from the requests. The rules see only the counters' samples: each instance has
its own scrape phase, loses its counters when it restarts, and ends when it disappears.
"""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

SCRAPE = 15
EVALUATION = 30


@dataclass(frozen=True, slots=True)
class Request:
    """One request: when it ended (seconds), and how."""

    at: float
    failed: bool = False
    slow: bool = False


@dataclass(slots=True)
class Instance:
    """One process: its requests in order of time, and what happens to it.

    ``restarts`` are moments at which its counters begin again at 0; from each on, it answers no
    scrape for ``boot`` seconds. ``missed`` holds the numbers of scrapes that failed.
    """

    name: str
    requests: list[Request]
    phase: int = 3
    restarts: tuple[float, ...] = ()
    boot: int = 20
    died: float = float("inf")
    missed: frozenset[int] = frozenset()

    def scrapes(self, end: int) -> Iterator[tuple[int, float | None]]:
        """Each scrape's time, and since when its counters ran: None where the scrape failed."""
        for number, at in enumerate(range(self.phase, end, SCRAPE)):
            since = max((moment for moment in self.restarts if moment <= at), default=-1.0)
            down = at >= self.died or (since >= 0 and at < since + self.boot)
            yield at, None if down or number in self.missed else since

    def counted(
        self, counts: Callable[[Request], bool], end: int
    ) -> Iterator[tuple[int, int | None]]:
        """Each scrape's time and a counter's value; None where the scrape failed: stale, once."""
        times = [request.at for request in self.requests if counts(request)]
        alive = True
        for at, since in self.scrapes(end):
            if since is not None:
                yield at, bisect.bisect_right(times, at) - bisect.bisect_right(times, since)
            elif alive:
                yield at, None
            alive = since is not None


@dataclass(slots=True)
class Run:
    """The history of some instances, ``seconds`` long; its last minutes have no requests."""

    seconds: int
    instances: list[Instance] = field(default_factory=list)

    def requests(self) -> Iterator[Request]:
        """Every request, whatever was scraped of it."""
        for instance in self.instances:
            yield from instance.requests

    def series(self, metrics: Mapping[str, str]) -> dict[str, str]:
        """Each instance's series in promtool's notation, one value a second.

        ``metrics`` maps a selector that has ``%s`` for the instance to one of :data:`COUNTERS`.
        """
        return {
            selector % instance.name: " ".join(_samples(instance, COUNTERS[kind], self.seconds))
            for instance in self.instances
            for selector, kind in metrics.items()
        }

    def seen(self) -> list[tuple[int, Request]]:
        """Every request with the rule evaluation that could see it first, in order of time.

        That is the only difference in time between the rules and the truth: at most a scrape
        and an evaluation. A request that no scrape saw is dated by when it happened.
        """
        dated = [
            (_tick(scraped if scraped is not None else request.at), request)
            for request, scraped in self._scraped()
        ]
        return sorted(dated, key=lambda pair: pair[0])

    def visible(self) -> list[tuple[int, Request]]:
        """Like :meth:`seen`, without the requests whose process ended before its next scrape."""
        dated = [(_tick(at), request) for request, at in self._scraped() if at is not None]
        return sorted(dated, key=lambda pair: pair[0])

    def _scraped(self) -> Iterator[tuple[Request, int | None]]:
        """Each request with the scrape that saw it first; None where none could."""
        for instance in self.instances:
            answered = [pair for pair in instance.scrapes(self.seconds) if pair[1] is not None]
            moments = [at for at, _ in answered]
            for request in instance.requests:
                index = bisect.bisect_left(moments, request.at)
                if index == len(moments) or request.at <= (answered[index][1] or -1.0):
                    yield request, None
                else:
                    yield request, moments[index]


def _tick(at: float) -> int:
    """The first rule evaluation at or after a moment."""
    return math.ceil(at / EVALUATION) * EVALUATION


COUNTERS: dict[str, Callable[[Request], bool]] = {
    "good": lambda request: not request.failed,
    "failed": lambda request: request.failed,
    "good_fast": lambda request: not request.failed and not request.slow,
}
"""What the app would count, by the name under which a test asks for it."""


def _samples(instance: Instance, counted: Callable[[Request], bool], end: int) -> Iterator[str]:
    last = -1
    for at, value in instance.counted(counted, end):
        if gap := at - last - 1:
            yield f"_x{gap}"
        yield "stale" if value is None else str(value)
        last = at


def steady(
    per_minute: float,
    start: float,
    end: float,
    *,
    every_bad: int = 0,
    every_slow: int = 0,
    seed: int = 1,
) -> list[Request]:
    """Requests at random moments; each ``every_bad``-th fails, each ``every_slow``-th is slow."""
    chance = random.Random(seed)
    count = round(per_minute * (end - start) / 60)
    moments = sorted(chance.uniform(start, end) for _ in range(count))
    return [
        Request(
            at,
            failed=bool(every_bad) and n % every_bad == 0,
            slow=bool(every_slow) and n % every_slow == 0,
        )
        for n, at in enumerate(moments, start=1)
    ]
