"""What happens when an observed app starts and stops."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from etter_obs._internal import conventions
from etter_obs._internal.bundle import spec_near
from etter_obs._internal.posix import warn_about_missing_posix
from etter_obs._internal.startup_detection import call_in_main_loop, call_when_started

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from etter_obs._internal.app_resources import AppResources
    from etter_obs._internal.parts import Parts
    from etter_obs._internal.requests.middleware import ObservabilityMiddleware

_LOG: Final = logging.getLogger("etter_obs")
_LIFESPAN_TIMEOUT: Final = 1.0
"""Seconds to wait for the server's lifespan message after its loop starts."""


class AppLifecycle:
    """Start and stop everything that requires a running app: event loop, port, last flush.

    Args:
        parts: The measuring parts; their deadline starts when the app stops.
        side: Returns the state that is kept on the app; None once the app is gone.
        app_file: The file that calls ``setup_observability``; a slo.yaml near it is suggested.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        side: Callable[[], AppResources | None],
        app_file: str | None,
    ) -> None:
        self._parts = parts
        self._side = side
        self._app_file = app_file
        self._loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
        """Loops in which the app has started; a test client runs each start in a new loop."""
        self._has_logged_targets = False

    def begin_late(self, app: Starlette, stack: ObservabilityMiddleware) -> None:
        """Start now, because the lifespan's first message has already passed.

        Its last message is missed as well, so the flush happens at the end of the process.
        """
        # Called from a thread without a loop, it does nothing: the first request starts the app.
        with suppress(RuntimeError):
            asyncio.get_running_loop()
            stack.begin()
            call_when_started(app.router, self.started)

    def begin_without_lifespan(self) -> None:
        """Open the management port even if no lifespan message and no request ever arrives.

        A server that sends no lifespan message within a second of starting its loop never sends
        one.
        """

        async def begin() -> None:
            await asyncio.sleep(_LIFESPAN_TIMEOUT)
            if asyncio.get_running_loop() not in self._loops and not self._parts.deadline.has_begun:
                self.starting()
                self.started()

        def begin_soon() -> None:
            waiting = asyncio.get_running_loop().create_task(begin())
            self._parts.undo.callback(waiting.cancel)

        try:
            asyncio.get_running_loop().call_soon(begin_soon)
        except RuntimeError:  # imported before the loop runs
            self._parts.undo.callback(call_in_main_loop(begin_soon))

    def starting(self) -> None:
        """Measure the running event loop, chain SIGTERM, open the port, log the spec."""
        self._parts.clients.begin()
        loop = asyncio.get_running_loop()
        if loop in self._loops:
            return
        self._loops.add(loop)
        self._parts.logs.detect_config_changes()
        self._parts.runtime.watch_loop()
        self._parts.health.start()
        if self._parts.console is not None:
            self._parts.console.start()
        if not self._has_logged_targets:
            self._has_logged_targets = True
            self._log_targets()
            warn_about_missing_posix()

    def _log_targets(self) -> None:
        """Log which slo.yaml sets the targets; warn if the package's example does."""
        chosen = self._parts.settings.slo_file
        self._parts.metrics.gauge(conventions.SLO_DEFAULT_TARGETS).child().set(
            float(chosen is None)
        )
        if chosen is not None:
            _LOG.info(
                "SLO targets of %s: %s, sha256 %.12s…",
                self._parts.spec.service,
                chosen,
                self._parts.spec.sha256,
            )
            return
        here = spec_near(self._app_file)
        remedy = (
            f"Set ETTER_OBS_SLO_FILE={here} to use this project's slo.yaml"
            if here is not None
            else "Run `etter-obs init` and set ETTER_OBS_SLO_FILE to the new slo.yaml"
        )
        _LOG.warning(
            "ETTER_OBS_SLO_FILE is not set, so the latency buckets follow the package's example "
            "targets, not those of this service. %s",
            remedy,
        )

    def started(self) -> None:
        """Make the startup probe pass; log where the probes are and what changed in logging."""
        self._parts.logs.detect_config_changes()
        self._parts.deadline.clear()
        self._parts.health.mark_started()
        side = self._side()
        if side is not None and side.probes is not None:
            side.probes.say()
        if self._parts.console is not None:
            self._parts.console.say()

    def stopping(self) -> None:
        """Close the management port. SIGTERM stays chained until the process ends."""
        self._parts.health.stop_serving()

    async def stopped(self, *, in_process: bool) -> None:
        """Flush without blocking the loop in which the server sends its last responses.

        The end of the process gets the rest of the deadline.
        """
        seconds = self._parts.settings.shutdown_deadline
        if in_process:
            self._parts.deadline.clear()
        else:
            self._parts.deadline.begin(seconds)
        await asyncio.to_thread(self._parts.flush, seconds, send=not in_process)
