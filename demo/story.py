"""The schedule of the demo and its verdict: a fault, its page, its resolution."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from demo.receiver import Delivery
from etter_obs._internal.conventions import Alert

PAGE = Alert.burn_rate("page", "1h")
SLO = "availability"
TARGET = "companies"


@dataclass(frozen=True, slots=True)
class Pace:
    """Durations of the story's parts, in seconds."""

    healthy: float = 60.0
    broken: float = 90.0
    page_within: float = 240.0
    resolved_within: float = 600.0


class Phase(Enum):
    """The phase of the story; the value is shown to the user."""

    HEALTHY = "healthy traffic"
    BROKEN = f"every request to the {TARGET} routes fails"
    FIXED = "the fault is over; the page resolves once the last 5 minutes are good again"
    DONE = "the page and its resolution arrived"
    FAILED = "not as it should be"


class Story:
    """Moves from phase to phase by the clock and by what the webhook receiver received.

    Times are Unix seconds, so that they compare with those of deliveries.
    """

    def __init__(self, started: float, pace: Pace | None = None) -> None:
        self.pace = pace or Pace()
        self.phase = Phase.HEALTHY
        self.paged_after: float | None = None
        """Seconds from the fault to the page."""
        self.resolved_after: float | None = None
        """Seconds from the fault's end to the page's resolution."""
        self.failure = ""
        self._started = started
        self._broken_at = self._fixed_at = started

    @property
    def over(self) -> bool:
        """Whether the story is over."""
        return self.phase in (Phase.DONE, Phase.FAILED)

    def advance(self, now: float, deliveries: Iterable[Delivery]) -> Phase:
        """Return the phase at ``now``; on a change to BROKEN or FIXED the caller acts."""
        if self.phase is Phase.HEALTHY and now >= self._started + self.pace.healthy:
            self._broken_at = now
            self.phase = Phase.BROKEN
        elif self.phase is Phase.BROKEN:
            self._await_page(now, deliveries)
        elif self.phase is Phase.FIXED:
            self._await_resolution(now, deliveries)
        return self.phase

    def until_next(self, now: float) -> float | None:
        """Return the seconds until the clock changes the phase; None if it does not."""
        if self.phase is Phase.HEALTHY:
            return max(0.0, self._started + self.pace.healthy - now)
        if self.phase is Phase.BROKEN:
            return max(0.0, self._broken_at + self.pace.broken - now)
        return None

    def _await_page(self, now: float, deliveries: Iterable[Delivery]) -> None:
        if self.paged_after is None:
            page = _first(deliveries, "firing", self._broken_at)
            if page is not None:
                self.paged_after = page.received - self._broken_at
            elif now > self._broken_at + self.pace.page_within:
                self._fail(f"no {PAGE} for {SLO} within {self.pace.page_within:.0f} s of the fault")
                return
        if self.paged_after is not None and now >= self._broken_at + self.pace.broken:
            self._fixed_at = now
            self.phase = Phase.FIXED

    def _await_resolution(self, now: float, deliveries: Iterable[Delivery]) -> None:
        resolution = _first(deliveries, "resolved", self._fixed_at)
        if resolution is not None:
            self.resolved_after = resolution.received - self._fixed_at
            self.phase = Phase.DONE
        elif now > self._fixed_at + self.pace.resolved_within:
            within = self.pace.resolved_within
            self._fail(f"{PAGE} for {SLO} not resolved within {within:.0f} s of the fault's end")

    def _fail(self, reason: str) -> None:
        self.failure = reason
        self.phase = Phase.FAILED


def _first(deliveries: Iterable[Delivery], status: str, since: float) -> Delivery | None:
    return next(
        (
            each
            for each in deliveries
            if (each.name, each.slo, each.status) == (PAGE, SLO, status) and each.received >= since
        ),
        None,
    )
