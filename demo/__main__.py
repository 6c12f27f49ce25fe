"""``python -m demo [--once]``: everything at work on real parts, told as it happens."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType

import httpx
from rich.console import Console

from demo import story
from demo.backend import BackendError
from demo.measurements import Measurements, Prometheus
from demo.platform import Platform, PlatformError, choose
from demo.processes import ROOT, child
from demo.receiver import Delivery, deliveries_at
from demo.story import Phase, Story
from demo.view import View, view_for
from etter_obs.conventions import Alert, Label
from stack.build import BuildError
from stack.native import StackError

RUN_DIR = ROOT / ".run" / "demo"
USERS = 40


def main() -> int:
    """Run the demo; the exit code is 0 where the page and its resolution were delivered."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end by itself, with a verdict")
    once: bool = parser.parse_args().once
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console(soft_wrap=False)
    try:
        name, start = choose()
        console.print(f"[bold]etter-obs demo[/bold] ({name}); logs and data: {RUN_DIR}")
        console.print("starting Prometheus, Alertmanager, the collector, Loki and the backend …")
        with ExitStack() as stack:
            platform = stack.enter_context(start(RUN_DIR))
            stack.enter_context(_load(platform))
            return _play(platform, console, once=once)
    except (PlatformError, StackError, BuildError, BackendError) as error:
        console.print(f"demo: {error}", style="red", highlight=False, markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
        return 130 if once else 0


def _load(platform: Platform) -> ExitStack:
    stack = ExitStack()
    command = [sys.executable, "-m", "locust", "-f", "demo/locustfile.py", "--headless"]
    command += ["--users", str(USERS), "--spawn-rate", "10", "--host", platform.backend.base_url]
    stack.enter_context(
        child("locust", [*command, "--loglevel", "WARNING"], log_dir=RUN_DIR / "logs")
    )
    return stack


def _play(platform: Platform, console: Console, *, once: bool) -> int:
    prometheus = Prometheus(platform.prometheus)
    tale = Story(time.time())
    told = 0
    with view_for(console) as view:
        view.event(f"{USERS} users at {platform.backend.base_url}")
        while not tale.over:
            deliveries = _deliveries(platform)
            for delivery in deliveries[told:]:
                _tell(view, delivery)
            told = len(deliveries)
            before, phase = tale.phase, tale.advance(time.time(), deliveries)
            if phase is not before:
                _act(platform, view, phase)
            view.show(_headline(tale), _measure(prometheus))
            time.sleep(1)
        if tale.phase is Phase.DONE:
            view.event(
                f"paged {tale.paged_after:.0f} s after the fault began, resolved "
                f"{tale.resolved_after:.0f} s after it ended",
                "bold green",
            )
        view.show(_headline(tale), _measure(prometheus))
    if tale.phase is Phase.FAILED:
        console.print(f"demo: {tale.failure}; logs: {RUN_DIR}", style="bold red")
        return 1
    _what_to_open(platform, prometheus, console)
    if once:
        return 0
    console.print("\nEverything keeps running. Ctrl-C ends it.", style="bold")
    while True:
        time.sleep(60)


def _act(platform: Platform, view: View, phase: Phase) -> None:
    if phase is Phase.BROKEN:
        platform.backend.break_(story.TARGET, error_share=1.0)
        view.event(f"FAULT: {phase.value}", "bold red")
    elif phase is Phase.MENDED:
        platform.backend.mend(story.TARGET)
        view.event("MENDED: all routes answer again", "bold green")


def _headline(tale: Story) -> str:
    left = tale.until_next(time.time())
    waiting = "" if left is None else f" ({left:.0f} s to go)"
    return f"{tale.phase.value}{waiting}"


def _tell(view: View, delivery: Delivery) -> None:
    if delivery.name == Alert.WATCHDOG:
        view.event("the watchdog's beat came through: Prometheus → Alertmanager → webhook", "dim")
        return
    severity = delivery.labels.get(Label.SEVERITY, "")
    firing = delivery.status == "firing"
    style = "green" if not firing else "red" if severity == "page" else "yellow"
    named = " ".join(part for part in (severity, delivery.name, delivery.slo) if part)
    view.event(f"{delivery.status.upper()} at the webhook: {named}", style)


def _deliveries(platform: Platform) -> list[Delivery]:
    with suppress(httpx.HTTPError):
        return deliveries_at(platform.receiver)
    return []


def _measure(prometheus: Prometheus) -> Measurements | None:
    with suppress(httpx.HTTPError):
        return prometheus.measure()
    return None


def _what_to_open(platform: Platform, prometheus: Prometheus, console: Console) -> None:
    lines = [
        ("the backend's API", f"{platform.backend.base_url}/docs"),
        ("its metrics, health", f"{platform.backend.base_url}/metrics, /health/detailed"),
        ("Alertmanager", platform.alertmanager),
        ("Prometheus's alerts", f"{platform.prometheus}/api/v1/alerts"),
        ("what a page says to do", "alerts/runbooks/"),
    ]
    if platform.grafana:
        lines.insert(0, ("Grafana (password in secrets/)", platform.grafana))
    if platform.backend.stdout:
        lines.append(("the backend's log lines", _shown(platform.backend.stdout)))
    console.print("\nWhat to open:", style="bold")
    for name, where in lines:
        console.print(f"  {name:32}{where}", highlight=False, soft_wrap=True)
    traces = _failed_traces(prometheus)
    if traces:
        console.print("\nTraces of failed requests:", style="bold")
        for trace_id in traces:
            console.print(f"  {trace_id}", highlight=False)
        console.print("One of them in Loki, and as a trace:", style="bold")
        query = f'{{service_name="etter"}} | trace_id="{traces[0]}"'
        parameter = shlex.quote(f"query={query}")
        console.print(
            f"  curl -sG {platform.loki}/loki/api/v1/query_range --data-urlencode {parameter}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        if platform.traces_file:
            console.print(
                f"  grep {traces[0]} {_shown(platform.traces_file)}",
                highlight=False,
                soft_wrap=True,
            )


def _failed_traces(prometheus: Prometheus) -> list[str]:
    with suppress(httpx.HTTPError):
        return prometheus.failed_traces()
    return []


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
