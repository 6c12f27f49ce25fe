"""The wheel in empty environments: what a user has installed decides what is observed.

One small app (stranger.py) runs in each: set-up, requests, metrics, log lines, spans, shutdown.
Everything is switched on by variables, so what is missing shows as left out, never as an error.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from demo.databases import Redis
from tests.services import Receiver
from tests.wheel import allowed, installed_in, pythons, run

LIBRARIES: Final = {
    "sqlalchemy": ("spans of SQL statements", "etter_obs.database", "etter_db_query_duration"),
    "redis": (
        "spans of Redis commands",
        "opentelemetry.instrumentation.redis",
        "etter_redis_command_duration",
    ),
    "httpx": (
        "spans of httpx's calls",
        "opentelemetry.instrumentation.httpx",
        "etter_client_request_duration",
    ),
}
"""Library → what is left out without our extra, whose spans they are, its metric's first words."""
SERVER: Final = "etter_obs"
UNTRACED: Final = {"traces", "log lines over OTLP"}


@dataclass
class Installed:
    """An environment, and how the app runs in it."""

    name: str
    extras: tuple[str, ...] = ()
    beside: tuple[str, ...] = ("fastapi",)
    """Requirements of the app itself."""
    python: str = sys.executable
    resolution: Literal["highest", "lowest-direct"] = "highest"
    variables: dict[str, str] = field(default_factory=dict)
    without: set[str] = field(default_factory=set)
    """Extras whose packages are there and unusable."""


EVERY: Final = ("otlp", "sqlalchemy", "redis", "httpx", "sentry")
MATRIX: Final = [
    Installed("nothing"),
    *(Installed(f"{extra} alone", (extra,)) for extra in (*EVERY, "cli", "all")),
    Installed("starlette", beside=()),
    Installed("libraries without ours", beside=("fastapi", "httpx", "sqlalchemy", "redis")),
    *(
        Installed(f"otlp beside {library}", ("otlp",), ("fastapi", library))
        for library in LIBRARIES
    ),
    Installed(
        "an async engine",
        ("otlp", "sqlalchemy"),
        ("fastapi", "sqlalchemy[asyncio]", "aiosqlite"),
        variables={"ASYNC_ENGINE": "1"},
    ),
    Installed("sqlalchemy 2.0", ("all",), ("fastapi", "sqlalchemy<2.1")),
    *(
        Installed(f"fastapi {version}", ("all",), (f"fastapi=={version}.*",))
        for version in ("0.115", "0.123", "0.136")
    ),
    *(
        Installed(
            f"lowest, {'+'.join(extras) or 'nothing'}",
            extras,
            (*allowed(*extras), "fastapi==0.109.0", "httpx>=0.26", "prometheus-client==0.20.0"),
            pythons()[0],
            "lowest-direct",
        )
        for extras in ((), EVERY[:2], EVERY)
    ),
    Installed(
        "an older OpenTelemetry of the app's own",
        beside=(
            "fastapi",
            "httpx",
            "opentelemetry-sdk==1.24.0",
            "opentelemetry-exporter-otlp==1.24.0",
        ),
    ),
    Installed("a broken SDK", ("all",), variables={"BROKEN": "sentry_sdk"}, without={"sentry"}),
    *(
        Installed(
            f"{Path(python).name}, {extra or 'no extra'}", (extra,) if extra else (), python=python
        )
        for python in pythons()[1:]
        for extra in ("", "all")
    ),
]


@pytest.mark.parametrize("installed", MATRIX, ids=lambda installed: installed.name)
def test_the_app_runs_whatever_is_installed(
    installed: Installed, wheel: Path, tmp_path: Path, otlp: Receiver, redis_server: Redis
) -> None:
    """Requests, metrics and lines are right; spans are there where their packages are.

    What cannot be is left out, each with one WARNING, and the process ends with 0.
    """
    extras = f"[{','.join(installed.extras)}]" if installed.extras else ""
    python = installed_in(
        tmp_path,
        f"{wheel}{extras}",
        *installed.beside,
        python=installed.python,
        resolution=installed.resolution,
    )
    folder = tmp_path / "app"
    folder.mkdir()
    shutil.copy(Path(__file__).with_name("stranger.py"), folder)
    if broken := installed.variables.get("BROKEN"):
        (folder / f"{broken}.py").write_text("raise RuntimeError('half installed')")
    said = run(
        python,
        "stranger.py",
        cwd=folder,
        OTLP_ENDPOINT=otlp.endpoint,
        APM_ENABLED="true",
        OTEL_TRACES_SAMPLER="always_on",
        ERROR_TRACKING_ENABLED="true",
        SENTRY_DSN="https://key@127.0.0.1:9/1",
        REDIS_URL=redis_server.url,
        **installed.variables,  # type: ignore[arg-type]  # they are none of its own options
    )
    lines = _lines(said)
    answers = next(line["answers"] for line in lines if "answers" in line)
    assert [status for status, _ in answers] == [200] * 4, said
    metrics = answers[3][1]
    counted = 'etter_requests_total{method="GET",endpoint="/items/{item}",status="200"} 2'
    assert counted in metrics, metrics
    assert {line["message"] for line in lines if line.get("logger") == "stranger"} == {
        "worked",
        "worked too",
    }
    served = [line for line in lines if line.get("path") == "/items/7" and "status_code" in line]
    assert len(served) == 1
    assert served[0]["trace_id"]

    ours = set(EVERY if "all" in installed.extras else installed.extras) - installed.without
    listed = run(python, "-c", _LISTED, cwd=tmp_path).split()
    there = {library for library in LIBRARIES if library in listed}
    bare = {LIBRARIES[library][0] for library in there - ours}
    expected = bare if "otlp" in ours else UNTRACED
    expected = expected if "sentry" in ours else expected | {"error reports"}
    warned = [line for line in lines if " are disabled: " in line.get("message", "")]
    left_out = [line["message"].split(" are disabled: ")[0] for line in warned]
    assert sorted(left_out) == sorted(expected), said
    assert {line["level"] for line in warned} <= {"WARNING"}
    assert [name for name in there if LIBRARIES[name][2] not in metrics] == []
    scopes = {SERVER} | {LIBRARIES[library][1] for library in there & ours}
    assert {span.scope for span in otlp.spans} == (scopes if "otlp" in ours else set())


_LISTED: Final = (
    "from importlib.metadata import distributions\n"
    "print(*{one.metadata['Name'].lower() for one in distributions()})"
)


def _lines(said: str) -> list[dict[str, Any]]:
    """Return the lines that are objects; others are warnings of Python's, never a traceback."""
    assert "Traceback" not in said, said
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


@pytest.mark.parametrize(
    ("library", "lowest"), [("redis==4.3.4", "4.5.2"), ("sqlalchemy==1.4.54", "2.0")]
)
def test_what_an_argument_asks_for_may_fail_with_the_line_that_installs_it(
    library: str, lowest: str, wheel: Path, tmp_path: Path
) -> None:
    """`engine=` and `redis=` of a library that is too old end in one line, not in its insides."""
    python = installed_in(tmp_path, str(wheel), "fastapi", library)
    shutil.copy(Path(__file__).with_name("stranger.py"), tmp_path)
    said = run(python, "stranger.py", cwd=tmp_path, expect=1, REDIS_URL="redis://127.0.0.1:9")
    name, _, version = library.partition("==")
    assert said.splitlines()[-1] == (
        f"ImportError: {name} is {version}; the minimum version is {lowest}; "
        f"run pip install 'etter-obs[{name}]'"
    )
