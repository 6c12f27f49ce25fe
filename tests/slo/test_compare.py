"""`etter-obs slo compare` on a real Prometheus, and on load tests, whose differences are known."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from etter_obs._internal.cli import main
from stack.build import binary
from stack.native import running
from tests.slo.specs import text_of

HOUR = 3600
END = int(time.time()) // HOUR * HOUR - HOUR
QUIET, ALIKE, RELEASE = END - 3 * HOUR, END - 2 * HOUR, END - HOUR
"""Three hours, one after the other: the second is like the first, the third is not."""
SLOS = (
    "{ name: availability, description: No server error., objective: 99%, "
    "sli: { requests: { bad_status: 5xx } } }",
    "{ name: latency, description: Fast enough., objective: 95%, "
    "sli: { latency: { threshold: 500ms } } }",
    "{ name: database, description: Never measured., objective: 95%, "
    "sli: { latency: { metric: db_query_duration_seconds, threshold: 100ms } } }",
)
BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


def history() -> Iterator[str]:
    """Three hours of recordings and of a histogram, in OpenMetrics.

    In the third hour, twice as many requests fail, and every duration is a third longer.
    """
    draw = np.random.default_rng(3)
    times = range(QUIET, END + 30, 30)
    counts = {bound: [0.0] for bound in (*BOUNDS, np.inf)}
    total, failed, slow = [], [], []
    for at in times[1:]:
        released = at > RELEASE
        requests = int(draw.poisson(600))
        minute = float(np.exp(draw.normal(0, 0.15)))
        durations = draw.lognormal(
            np.log(0.12 * minute * (4 / 3 if released else 1)), 0.7, requests
        )
        total.append(requests)
        failed.append(int(draw.binomial(requests, 0.02 if released else 0.01)))
        slow.append(int((durations > 0.5).sum()))
        for bound, series in counts.items():
            series.append(series[-1] + float((durations <= bound).sum()))
    for slo, bad in (("availability", failed), ("latency", slow)):
        of = f'{{service="shop",environment="test",slo="{slo}"}}'
        for rule, values in (("total", total), ("bad", bad)):
            for at, value in zip(times[1:], values, strict=True):
                yield f"slo:{rule}:increase{of} {value} {at}\n"
    scraped = 'job="shop",environment="test",method="GET",endpoint="/a",status_class="2xx"'
    for bound, series in counts.items():
        le = "+Inf" if bound == np.inf else f"{bound}"
        for at, below in zip(times, series, strict=True):
            yield f'etter_request_duration_seconds_bucket{{{scraped},le="{le}"}} {below} {at}\n'
    yield "# EOF\n"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real Prometheus that holds the history above."""
    folder = tmp_path_factory.mktemp("compare")
    samples = folder / "history.om"
    samples.write_text("".join(history()))
    blocks = folder / "run" / "data" / "prometheus"
    blocks.mkdir(parents=True)
    backfill = ["tsdb", "create-blocks-from", "openmetrics", "--quiet", "--max-block-duration=64d"]
    subprocess.run([binary("promtool"), *backfill, samples, blocks], check=True)
    with running(folder / "run", only=["prometheus"]) as stack:
        yield stack.prometheus


def hour(start: int) -> str:
    """Return the hour that starts then, as the command takes it."""
    return f"{datetime.fromtimestamp(start, UTC):%Y-%m-%dT%H:%M}/1h"


def compare(folder: Path, before: str, after: str, *more: str) -> Result:
    """Run the command in a project with the SLOs above."""
    (folder / "slo.yaml").write_text(text_of(*SLOS, environment="test"))
    return CliRunner().invoke(main, ["slo", "compare", before, after, "--dir", str(folder), *more])


@pytest.mark.e2e
def test_a_known_difference_is_seen_and_a_known_sameness_is_not(
    prometheus: str, tmp_path: Path
) -> None:
    """The hour of the release is worse in every line by what was made; the hour before is alike."""
    alike = compare(
        tmp_path, hour(QUIET), hour(ALIKE), "--prometheus", prometheus, "--format", "json"
    )
    assert alike.exit_code == 0, alike.output
    changes = {change["name"]: change for change in json.loads(alike.output)["changes"]}
    assert {change.pop("verdict") for change in changes.values()} == {
        "no difference seen",
        "too little data",  # the database, which was never measured
    }

    released = compare(
        tmp_path, hour(ALIKE), hour(RELEASE), "--prometheus", prometheus, "--format", "json"
    )
    assert released.exit_code == 1, released.output
    told = json.loads(released.output)
    assert told["blocks"] == [60, 60]
    worse = {c["name"]: c for c in told["changes"] if c["verdict"] == "worse"}
    durations = [f"request duration {name}" for name in ("p50", "p95", "p99")]
    assert list(worse) == ["availability", "latency", *durations]
    low, high = worse["availability"]["difference"]
    assert low < 0.01 < high
    low, high = worse["request duration p50"]["difference"]
    assert low < 0.04 < high  # a third of 0.12 s

    shown = compare(
        tmp_path, hour(ALIKE), hour(RELEASE), "--prometheus", prometheus, "--format", "markdown"
    )
    rows = [line for line in shown.output.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1
    assert "Worse: availability, latency, request duration p50" in shown.output


def load_test(prefix: Path, failures: int, milliseconds: int) -> str:
    """Write what `locust --csv` leaves of two minutes with 20 users after a ramp of 10 s."""
    prefix.with_name(f"{prefix.name}_stats.csv").write_text(
        "Type,Name,Request Count,Failure Count,Requests/s\n"
        f",Aggregated,{100 * 130},{failures * 130},100\n"
    )
    lines = ["Timestamp,User Count,Name,50%,95%,99%,Total Request Count,Total Failure Count"]
    for second in range(131):
        users, swing = min(20, 2 * second), second * 7 % 5
        times = ",".join(str(milliseconds * n + swing) for n in (1, 4, 9))
        # The ramp fails altogether, and must not count.
        failed = 1000 + failures * second + swing
        lines.append(f"{1_000 + second},{users},Aggregated,{times},{100 * second},{failed}")
    prefix.with_name(f"{prefix.name}_stats_history.csv").write_text("\n".join(lines) + "\n")
    return str(prefix)


def test_two_load_tests_are_compared_without_their_ramps(tmp_path: Path) -> None:
    """Fewer failures and shorter times are better; equal throughput is no difference."""
    before, after = load_test(tmp_path / "a", 9, 80), load_test(tmp_path / "b", 2, 50)
    result = compare(tmp_path, before, after, "--format", "json")
    assert result.exit_code == 0, result.output
    verdicts = {c["name"]: c["verdict"] for c in json.loads(result.output)["changes"]}
    assert verdicts.pop("throughput") == "no difference seen"
    assert set(verdicts.values()) == {"better"}
    assert compare(tmp_path, after, before).exit_code == 1


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("yesterday", "now-1h/1h", "'yesterday' is not a time range; write START/END"),
        ("now-2h/never", "now-1h/1h", "'never' is not a moment"),
        ("now-2h/1h", "now-1h/2h", "ends in the future"),
        ("now-1h/now-2h", "now-1h/1h", "ends before it starts"),
        ("now-2h/5m", "now-1h/1h", "is too short to tell a difference; use 6m or more"),
        ("now-1h/1h", "now-2h/1h", "BEFORE is the earlier one"),
    ],
)
def test_wrong_ranges_are_refused_with_what_to_write(
    tmp_path: Path, before: str, after: str, told: str
) -> None:
    """The message names what is wrong, and the exit code is 2."""
    result = compare(tmp_path, before, after)
    assert result.exit_code == 2
    assert told in result.output


def test_a_load_test_is_not_compared_with_a_time(tmp_path: Path) -> None:
    """Both sides must be of one sort, and a run needs its history."""
    run = load_test(tmp_path / "run", 1, 50)
    mixed = compare(tmp_path, run, "now-1h/1h")
    assert (mixed.exit_code, "compare two of them" in mixed.output) == (2, True)
    (tmp_path / "run_stats_history.csv").unlink()
    bare = compare(tmp_path, run, run)
    assert (bare.exit_code, "has no history" in bare.output) == (2, True)
