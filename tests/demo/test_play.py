"""The demo while a part is still built: the story does not wait, its end does."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from rich.console import Console

from demo.backend import Backend
from demo.measurements import DemoQueries
from demo.platform import Platform, PlatformError
from demo.play import Play
from demo.story import Pace, Phase, Story
from demo.view import PlainView
from tests.http_server import Call, http_server


@contextmanager
def building(
    exit_code: int, ready_after: int, name: str = "loki"
) -> Iterator[tuple[Play, io.StringIO, list[str]]]:
    """A play of which a part is built by a process that ends, and is ready at the nth question."""
    asked: list[str] = []

    def answer(call: Call) -> tuple[int, bytes]:
        asked.append(call.path)
        ready = asked.count("/ready") >= ready_after
        return (200 if ready or call.path != "/ready" else 503), b"[]"

    out = io.StringIO()
    with (
        http_server(answer) as url,
        subprocess.Popen([sys.executable, "-c", f"raise SystemExit({exit_code})"]) as build,
        # it ends with its standard input, which the block closes
        subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
        ) as locust,
    ):
        build.wait()
        platform = Platform(
            *(Backend(url), url, url, url, url, url, None, None),
            late={name: f"{url}/ready"},
            late_build=build,
        )
        yield Play(platform, locust, DemoQueries(url)), out, asked


def test_the_end_waits_for_loki_and_says_when_it_answers() -> None:
    """Nothing is told before it is ready, and the wait ends with one event."""
    with building(0, ready_after=2) as (play, out, asked):
        play.await_the_rest(PlainView(Console(file=out)))
    assert out.getvalue().count("Loki is built and answers") == 1
    assert asked.count("/ready") == 2


def test_the_fault_waits_for_alertmanager() -> None:
    """However long it is built, nothing is broken before it can tell of it."""
    pace = Pace(healthy=0, broken=0, page_within=0)
    with building(0, ready_after=3, name="alertmanager") as (play, out, asked):
        story = Story(time.time(), pace)
        play.run(story, PlainView(Console(file=out)))
    assert story.phase is Phase.FAILED  # no page came from this server
    fault = next(path for path in asked if "faults" in path)
    assert asked[: asked.index(fault)].count("/ready") == 3


def test_a_failed_build_of_loki_ends_the_demo() -> None:
    """The demo ends at once, with the file that has the reason."""
    with (
        building(2, ready_after=9) as (play, out, _),
        pytest.raises(PlatformError, match=r"a build failed; logs/build\.err"),
    ):
        play.await_the_rest(PlainView(Console(file=out)))
