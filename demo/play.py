"""Plays the story on a platform and reports every event."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress

import httpx

from demo.measurements import DemoQueries
from demo.platform import Platform, PlatformError
from demo.receiver import Delivery, deliveries_at
from demo.story import TARGET, Phase, Story
from demo.view import View
from etter_obs._internal.conventions import Alert, Label
from etter_obs._internal.slo.prometheus.api import PrometheusError
from stack.build import expected
from stack.processes import answers
from stack.progress import in_words
from stack.versions import BUILDS

_INTERVAL = 1.0
_SCRAPE_TIMEOUT = 90.0
_ALERTMANAGER, _COLLECTOR = "alertmanager", "collector"
_TITLES = {
    _ALERTMANAGER: "Alertmanager",
    "node_exporter": "node_exporter",
    _COLLECTOR: "the collector",
    "loki": "Loki",
}


class Play:
    """One run: reads the receiver and Prometheus once a second, and acts when it is time."""

    def __init__(
        self,
        platform: Platform,
        locust: subprocess.Popen[bytes],
        prometheus: DemoQueries,
    ) -> None:
        self._platform = platform
        self._processes = {"locust": locust, "the backend": platform.backend.process}
        self._prometheus = prometheus
        self._awaited = dict(platform.late)
        self._told = 0
        self._watchdog_arrived = False
        self._firing: set[frozenset[tuple[str, str]]] = set()

    def begin(self, view: View) -> Story:
        """Wait for the first scrape and start the story with it.

        Earlier alerts belong to the start of the stack and are not reported.

        Raises:
            PlatformError: Prometheus does not scrape the app in time, or as for `run`.
        """
        deadline = time.monotonic() + _SCRAPE_TIMEOUT
        while not self._is_scraped():
            if time.monotonic() > deadline:
                raise PlatformError("Prometheus does not scrape the app")
            self._show(view, "waiting for Prometheus's first scrape of the app")
        before = self._delivered()
        for delivery in before:
            if delivery.name == Alert.WATCHDOG:
                self._tell(delivery, view)
        self._told = len(before)
        if self._awaited:
            builds = [build for build in BUILDS if build.name in self._awaited]
            left = in_words(sum(expected(build) or 0 for build in builds))
            view.event(f"{self.not_built}: built meanwhile, in about {left}")
            if _COLLECTOR in self._awaited:
                view.event("until the collector is built, spans and lines for it are dropped")
        return Story(time.time())

    def run(self, story: Story, view: View) -> None:
        """Play until the story is over.

        Raises:
            PlatformError: a process that it needs has ended.
            httpx.HTTPError: the backend's fault switch does not answer.
        """
        while not story.over:
            news = self._news(view)
            if _ALERTMANAGER in self._awaited:
                self._show(view, f"{story.phase.value}; the fault waits for Alertmanager")
                continue
            before, phase = story.phase, story.advance(time.time(), news)
            if phase is not before:
                self._act(phase, view)
            left = story.until_next(time.time())
            self._show(view, phase.value if left is None else f"{phase.value} ({left:.0f} s to go)")

    def await_the_rest(self, view: View) -> None:
        """Wait until what is built late has joined; raise PlatformError like :meth:`run`."""
        while self._awaited:
            self._news(view)
            self._show(view, f"waiting for {self.not_built} to be built")

    def run_on(self, view: View) -> None:
        """Keep reporting until interrupted; raise PlatformError like :meth:`run`."""
        while True:
            self._news(view)
            self._show(view, "everything keeps running; press Ctrl-C to stop")

    @property
    def not_built(self) -> str:
        """The titles of what is still being built."""
        return ", ".join(_TITLES[name] for name in self._awaited)

    def _is_scraped(self) -> bool:
        self._require_processes()
        with suppress(PrometheusError):
            return self._prometheus.sees_the_app()
        return False

    def _show(self, view: View, headline: str) -> None:
        measured = None
        with suppress(PrometheusError):  # the next second tries again
            measured = self._prometheus.measure()
        view.show(headline, measured)
        time.sleep(_INTERVAL)

    def _act(self, phase: Phase, view: View) -> None:
        if phase is Phase.BROKEN:
            self._platform.backend.break_(TARGET, error_share=1.0)
            view.event(f"FAULT: {phase.value}", "bold red")
        elif phase is Phase.FIXED:
            self._platform.backend.repair(TARGET)
            view.event("FIXED: all routes answer again", "bold green")

    def _news(self, view: View) -> list[Delivery]:
        """Report new deliveries and return all of them."""
        self._require_processes()
        deliveries = self._delivered()
        for delivery in deliveries[self._told :]:
            self._tell(delivery, view)
        self._told = max(self._told, len(deliveries))
        for name, url in list(self._awaited.items()):
            if answers(url):
                del self._awaited[name]
                view.event(f"{_TITLES[name]} is built and answers")
        return deliveries

    def _delivered(self) -> list[Delivery]:
        with suppress(httpx.HTTPError):
            return deliveries_at(self._platform.receiver)
        return []

    def _require_processes(self) -> None:
        for name, process in self._processes.items():
            if process is not None and process.poll() is not None:
                raise PlatformError(f"{name} ended by itself")
        build = self._platform.late_build
        if build is not None and build.poll():
            raise PlatformError("a build failed; logs/build.err has the reason")

    def _tell(self, delivery: Delivery, view: View) -> None:
        if delivery.name == Alert.WATCHDOG:
            if not self._watchdog_arrived:
                view.event("the watchdog alert came through Prometheus, Alertmanager, the webhook")
            self._watchdog_arrived = True
            return
        alert = frozenset(delivery.labels.items())
        firing = delivery.status == "firing"
        if firing == (alert in self._firing):
            return  # a repeated notification, or the end of an alert from before the story
        self._firing ^= {alert}
        severity = delivery.labels.get(Label.SEVERITY, "")
        style = "green" if not firing else "red" if severity == "page" else "yellow"
        named = " ".join(part for part in (severity, delivery.name, delivery.slo) if part)
        view.event(f"{delivery.status.upper()} at the webhook: {named}", style)
        if severity == "page" and firing:
            view.event(f"    {delivery.annotations.get('summary', '')}", style)
