"""The health of one process: its checks, its life cycle and its endpoints."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from starlette.types import ASGIApp

from etter_obs._internal import conventions as names
from etter_obs._internal.conventions import HealthReason, HealthStatus
from etter_obs._internal.health.access import may_see_detail
from etter_obs._internal.health.check_runner import Check, CheckCallable, run_all
from etter_obs._internal.health.draining import TermChain
from etter_obs._internal.health.endpoints import Answer, HealthEndpoint
from etter_obs._internal.health.management import ManagementServer
from etter_obs._internal.health.outcome import Outcome, Summary
from etter_obs._internal.settings import Settings

if TYPE_CHECKING:
    from etter_obs._internal.app_resources import AppResources
    from etter_obs._internal.metrics.registry import MetricsRegistry

_LOG: Final = logging.getLogger("etter_obs.health")
_MAX_NAME: Final = 64


class _Checks(dict[str, Check]):
    """Checks by name; a class, because a plain dict does not support weak references."""


class Health:
    """Answers ``/health/live``, ``/ready``, ``/startup`` and ``/detailed`` from registered checks.

    A critical check that fails makes the process unhealthy and not ready; an optional one makes it
    degraded. Checks run concurrently, each with its timeout, all within
    ``settings.health_deadline`` seconds. An outcome is valid for ``settings.health_max_age``
    seconds.

    Args:
        settings: timeouts, paths, ports and the token.
        registry: accepts the ``health_*`` metrics; None records none.
        last: called when SIGTERM is about to end the process at once.
    """

    def __init__(
        self,
        settings: Settings,
        registry: MetricsRegistry | None = None,
        *,
        last: Callable[[], object] = lambda: None,
    ) -> None:
        self._settings = settings
        self._own_checks: _Checks | None = _Checks()
        self._checks_at = weakref.ref(self._own_checks)
        self._started = False
        self._draining = False
        self._registry = registry
        self._loop: asyncio.AbstractEventLoop | None = None
        self._forget_scrapes: Callable[[], None] | None = None
        if registry is not None:
            self._up = registry.gauge(names.HEALTH_CHECK_UP)
            self._duration = registry.histogram(names.HEALTH_CHECK_DURATION)
            self._failures = registry.counter(names.HEALTH_CHECK_FAILURES)
        self._term = TermChain(self.drain, delay=settings.drain_seconds, last=last)
        self._served = dict(self._endpoints_for(management=True))
        self._management = (
            None
            if settings.management_port is None
            else ManagementServer(settings.management_host, settings.management_port, self._served)
        )
        self.endpoints: Mapping[str, ASGIApp] = MappingProxyType(
            {} if settings.health_path is None else self._endpoints_for(management=False)
        )
        """Path → ASGI app on the app's own port."""

    def add(
        self,
        name: str,
        check: CheckCallable,
        *,
        critical: bool = True,
        timeout: float | None = None,
    ) -> None:
        """Register ``check`` under ``name``; replace an earlier check of that name.

        Args:
            name: 1 to 64 printable characters; appears in the answer and as a metric's label.
            check: sync or async callable without arguments. A sync check runs in its own thread.
                A check fails if it returns ``False`` or a ``HealthReason`` other than ``OK``, or if
                it raises. The log contains the exception; an answer never does.
            critical: whether a failure makes the process not ready, instead of degraded.
            timeout: seconds that a run may take; default ``settings.health_timeout``.

        Raises:
            ValueError: the name or the timeout is invalid.
        """
        if not name or len(name) > _MAX_NAME or not name.isprintable():
            raise ValueError(
                f"health check name {name!r} is invalid; use 1 to {_MAX_NAME} printable characters"
            )
        seconds = self._settings.health_timeout if timeout is None else timeout
        if not 0 < seconds < float("inf"):
            raise ValueError(f"health check {name!r}: timeout is {timeout!r}; use seconds above 0")
        self._checks[name] = Check(
            name, check, critical=critical, timeout=seconds, report=self._report
        )

    def remove(self, name: str) -> None:
        """Remove the check of this name, if it exists."""
        self._checks.pop(name, None)

    @property
    def management_address(self) -> tuple[str, int] | None:
        """Host and port of the management port in this process; None if it is not open here."""
        return None if self._management is None else self._management.address

    def is_critical(self, name: str) -> bool:
        """Return whether a failure of this check makes the process not ready."""
        check = self._checks.get(name)
        return check is not None and check.critical

    @property
    def _checks(self) -> _Checks:
        checks = self._checks_at()
        return _Checks() if checks is None else checks

    def leave_checks_to(self, side: AppResources) -> None:
        """Move the checks to the app: they may refer to it, and must be freed with it."""
        side.checks = self._own_checks
        self._own_checks = None

    def serve(self, path: str, app: ASGIApp) -> None:
        """Serve ``app`` at ``path`` on the management port, if there is one.

        A path that ends in a slash covers all paths below it.
        """
        self._served[path] = app

    def start(self) -> None:
        """Handle SIGTERM and open the management port; call this inside the server's event loop."""
        self._loop = asyncio.get_running_loop()
        self._term.install()
        if self._registry is not None and self._forget_scrapes is None:
            self._forget_scrapes = self._registry.on_scrape(self._refresh)
        if self._management is not None:
            self._management.start()

    def mark_started(self) -> None:
        """Mark the app's own start-up as complete."""
        self._started = True

    def drain(self) -> None:
        """Return 503 at ``/health/ready`` from now on: this process accepts no new work."""
        if not self._draining:
            self._draining = True
            _LOG.info("draining; the process is no longer ready")

    def close(self) -> None:
        """Undo ``start()``: restore SIGTERM's handler and close the management port."""
        self._term.undo()
        self.stop_serving()

    def stop_serving(self) -> None:
        """Close the management port and stop refreshing the checks."""
        if self._forget_scrapes is not None:
            self._forget_scrapes()
            self._forget_scrapes = None
        if self._management is not None:
            self._management.close()

    async def summary(self, *, critical_only: bool = False) -> Summary:
        """Run the checks whose outcomes are too old, and return the summary of all."""
        checks = [c for c in self._checks.values() if c.critical or not critical_only]
        outcomes = await run_all(
            checks,
            max_age=self._settings.health_max_age,
            deadline=self._settings.health_deadline,
        )
        failed = [c for c in checks if not outcomes[c.name].healthy]
        reason = self._state()
        if reason is not HealthReason.OK or any(c.critical for c in failed):
            status = HealthStatus.UNHEALTHY
        else:
            status = HealthStatus.DEGRADED if failed else HealthStatus.HEALTHY
        return Summary(status, reason, outcomes)

    def _state(self) -> HealthReason:
        if self._draining:
            return HealthReason.DRAINING
        return HealthReason.OK if self._started else HealthReason.STARTING

    def _report(self, name: str, outcome: Outcome) -> None:
        if self._registry is None:
            return
        self._up.child(name).set(float(outcome.healthy))
        self._duration.child(name).observe(outcome.duration)
        if not outcome.healthy:
            self._failures.child(name, outcome.reason).inc()

    def _refresh(self) -> None:
        """Start the outdated checks at a scrape, so that the next scrape has current outcomes.

        Otherwise the metrics of a process without probes would show old outcomes.
        """
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._begin_due)

    def _begin_due(self) -> None:
        for check in self._checks.values():
            if check.recent(self._settings.health_max_age) is None:
                check.flight()

    # -- the four answers -------------------------------------------------------------------------

    def _endpoints_for(self, *, management: bool) -> dict[str, ASGIApp]:
        token = self._settings.health_token

        def endpoint(answer: Answer, *, detail: bool = False) -> HealthEndpoint:
            return HealthEndpoint(
                answer,
                before=None if management else self._serving,
                may_see=(lambda scope: may_see_detail(scope, token))
                if detail and not management
                else None,
                token_is_set=token is not None,
            )

        base = self._settings.health_path or names.Path.HEALTH
        answers = {
            names.Path.LIVE: endpoint(self._live),
            names.Path.STARTUP: endpoint(self._startup),
            names.Path.READY: endpoint(self._ready),
            names.Path.DETAILED: endpoint(self.summary, detail=True),
        }
        return {path.replace(names.Path.HEALTH, base, 1): at for path, at in answers.items()}

    def _serving(self) -> None:
        """Mark the start at the first request, because some servers run no lifespan."""
        if not self._started:
            self.start()
            self.mark_started()

    async def _live(self) -> Summary:
        return Summary(HealthStatus.HEALTHY, HealthReason.OK)

    async def _startup(self) -> Summary:
        if self._started:
            return Summary(HealthStatus.HEALTHY, HealthReason.OK)
        return Summary(HealthStatus.UNHEALTHY, HealthReason.STARTING)

    async def _ready(self) -> Summary:
        summary = await self.summary(critical_only=True)
        # Only /health/detailed names the failed check, because it restricts access.
        return Summary(summary.status, summary.reason)
