"""``python -m demo [--once]``: runs the whole product on real parts and reports each event."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from contextlib import ExitStack
from types import FrameType

import httpx
from rich.console import Console

from demo.backend import BackendError
from demo.closing import what_stays, what_to_open
from demo.compose import ComposeError
from demo.measurements import DemoQueries
from demo.platform import Platform, PlatformError, alone, choose
from demo.play import Play
from demo.processes import ROOT, child
from demo.view import view_for
from etter_obs._internal.cli.terminal import use_a_safe_encoding
from etter_obs._internal.slo.loading.loader import SpecError
from etter_obs._internal.slo.prometheus.api import PrometheusError
from stack.build import BuildError
from stack.installed import ProgramError
from stack.native import StackError

RUN_DIR = ROOT / ".run" / "demo"
_USERS = 40
_USERS_BESIDE_BUILDS = 20


def main() -> int:
    """Run the demo; the exit code is 0 if the page and its resolution were delivered."""
    use_a_safe_encoding()
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--once", action="store_true", help="exit after the story; the exit code is the verdict"
    )
    once: bool = parser.parse_args().once
    signal.signal(signal.SIGTERM, _interrupt)
    console, started = Console(), time.monotonic()
    environment = time.time() - float(os.environ.get("MAKE_STARTED", time.time()))
    try:
        name, start = choose(once=once)
        console.print(f"[bold]etter-obs demo[/bold] ({name}); logs and data: {RUN_DIR}")
        console.print("starting Prometheus, Alertmanager, the collector, Loki and the backend …")
        with ExitStack() as parts:
            parts.enter_context(alone(RUN_DIR))
            platform = parts.enter_context(start(RUN_DIR))
            return _perform(platform, console, started, environment, once=once)
    except (
        PlatformError,
        ComposeError,
        StackError,
        ProgramError,
        BuildError,
        BackendError,
        SpecError,
        PrometheusError,
        httpx.HTTPError,
    ) as error:
        return _fail(console, str(error))
    except KeyboardInterrupt:
        console.print("stopped")
        return 130 if once else 0


def _perform(
    platform: Platform, console: Console, started: float, environment: float, *, once: bool
) -> int:
    users = _USERS_BESIDE_BUILDS if platform.late else _USERS
    command = [sys.executable, "-m", "locust", "-f", "demo/locustfile.py", "--headless"]
    command += ["--users", str(users), "--spawn-rate", "10", "--host", platform.backend.base_url]
    command += ["--loglevel", "WARNING"]
    prometheus = DemoQueries(platform.prometheus)
    with child("locust", command, log_dir=RUN_DIR / "logs") as locust:
        play = Play(platform, locust, prometheus)
        with view_for(console) as view:
            view.event(f"{users} users at {platform.backend.base_url}")
            story = play.begin(view)
            play.run(story, view)
            if not story.failure:
                if not once:
                    play.await_the_rest(view)
                view.event(
                    f"PROVED: paged {story.paged_after:.0f} s after the fault began, "
                    f"resolved {story.resolved_after:.0f} s after it ended",
                    "bold green",
                )
                total = time.monotonic() - started + environment
                view.event(
                    f"the demo took {total / 60:.1f} min in all, "
                    f"{environment / 60:.1f} min of them for the environment"
                )
        if story.failure:
            return _fail(console, story.failure)
        if once:
            what_stays(platform, play.not_built, console)
        else:
            what_to_open(platform, prometheus, console)
            with view_for(console) as view:
                play.run_on(view)
    return 0


def _fail(console: Console, reason: str) -> int:
    console.print(
        f"demo: {reason}", style="bold red", highlight=False, markup=False, soft_wrap=True
    )
    console.print(f"demo: logs are in {RUN_DIR}", highlight=False, markup=False)
    return 1


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
