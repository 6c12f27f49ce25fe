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
    from etter_obs._internal.settings import Settings
    from etter_obs._internal.shutdown_deadline import ShutdownDeadline
    from etter_obs._internal.slo.spec.models import Spec

_LOG: Final = logging.getLogger("etter_obs")
_LIFESPAN_SECONDS: Final = 1.0
"""How long to wait for a server's lifespan, once its loop runs."""


class AppLifecycle:
    """Begins and ends what needs the running app: its loop, its port, its last flush.

    Args:
        parts: what measures.
        settings: the management port and the deadline.
        spec: whose targets are in force.
        deadline: starts when the app stops.
        side: returns what refers to the app, None where the app is gone.
        app_file: the file that sets the app up; a slo.yaml near it is offered.
    """

    def __init__(
        self,
        parts: Parts,
        settings: Settings,
        spec: Spec,
        *,
        deadline: ShutdownDeadline,
        side: Callable[[], AppResources | None],
        app_file: str | None,
    ) -> None:
        self._parts = parts
        self._settings = settings
        self._spec = spec
        self._deadline = deadline
        self._side = side
        self._app_file = app_file
        self._loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
        """Those in which the app has begun; a test client runs each start in one of its own."""
        self._has_logged_targets = False

    def begin_late(self, app: Starlette, stack: ObservabilityMiddleware) -> None:
        """Begin now: the lifespan's first message has passed already.

        Its last one passes unseen as well, so the end of the process flushes.
        """
        with suppress(RuntimeError):  # called from a thread without a loop: the first request will
            asyncio.get_running_loop()
            stack.begin()
            call_when_started(app.router, self.started)

    def begin_without_lifespan(self) -> None:
        """Open the management port although no lifespan and no request may ever come.

        Where a server has sent no lifespan a second after its loop began, it will not.
        """

        async def begin() -> None:
            await asyncio.sleep(_LIFESPAN_SECONDS)
            if asyncio.get_running_loop() not in self._loops and not self._deadline.has_begun:
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
        """Measure the running event loop; chain SIGTERM, open the port, name the spec."""
        self._parts.clients.begin()
        loop = asyncio.get_running_loop()
        if loop in self._loops:
            return
        self._loops.add(loop)
        self._parts.logs.detect_config_changes()
        self._parts.runtime.watch_loop()
        self._parts.health.start()
        if not self._has_logged_targets:
            self._has_logged_targets = True
            self._log_targets()
            warn_about_missing_posix()

    def _log_targets(self) -> None:
        """Say whose targets are in force; those of the package are nobody's."""
        chosen = self._settings.slo_file
        self._parts.metrics.gauge(conventions.SLO_DEFAULT_TARGETS).child().set(
            float(chosen is None)
        )
        if chosen is not None:
            _LOG.info(
                "SLO targets of %s: %s, sha256 %.12s…",
                self._spec.service,
                chosen,
                self._spec.sha256,
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
        """Let the startup probe pass; say where the probes are, and what was done to logging."""
        self._parts.logs.detect_config_changes()
        self._deadline.clear()
        self._parts.health.mark_started()
        side = self._side()
        if side is not None and side.probes is not None:
            side.probes.say()

    def stopping(self) -> None:
        """Close the management port; SIGTERM stays chained until the process ends."""
        self._parts.health.stop_serving()

    async def stopped(self, *, in_process: bool) -> None:
        """Flush, without holding up the loop in which the server says good-bye.

        The end of the process has what is left of the deadline.
        """
        deadline = self._settings.shutdown_deadline
        if in_process:
            self._deadline.clear()
        else:
            self._deadline.begin(deadline)
        await asyncio.to_thread(self._parts.flush, deadline, send=not in_process)
