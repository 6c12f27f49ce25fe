"""Lines a second: this package against structlog, python-json-logger and one by hand.

    python -m benchmarks.logging [--lines 20000] [--rounds 7]

Every set-up logs the same event with the same fields to the same sink, in a process of its own;
rounds are interleaved, and the best of each is shown, since what else the machine does can only
add. Measured are the time that a call keeps the thread which serves a request, the processor time
that a line takes in all, the writer's thread included, and the lines a second until the last is
in the sink.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

FIELDS: Final[dict[str, Any]] = {
    "request_id": "4f0c9d5e8a7b4c2d9e1f0a3b5c7d9e1f",
    "method": "GET",
    "endpoint": "/api/v1/companies/{company_id}",
    "status_code": 200,
    "duration_ms": 12.34,
}
MESSAGE: Final = "Request completed"
BURST: Final = 1_000
"""Lines between two waits for the sink: a tenth of the queue, so that no line is dropped."""
LEADS: Final = "hand-written JSON logger"


class Subject(NamedTuple):
    """One set-up: ``log`` writes one line, ``finish`` waits until every line is in the sink."""

    log: Callable[[int], object]
    finish: Callable[[], object]


def etter_obs(sink: Path) -> Subject:
    """Lines by ``get_logger``, within a request, whose id and method come by themselves."""
    from etter_obs._internal.context import RequestContext, current_request
    from etter_obs._internal.logs import LogPipeline, get_logger
    from etter_obs._internal.metrics.registry import MetricsRegistry
    from etter_obs._internal.settings import Settings

    stream = sink.open("a")
    settings = Settings()
    pipeline = LogPipeline(settings, "shop", "bench", MetricsRegistry("etter"), stream)
    pipeline.install()
    logger = get_logger("bench")
    request = RequestContext(
        FIELDS["request_id"],
        "0af7651916cd43dd8448eb211c80319c",
        "b7ad6b7169203331",
        False,
        FIELDS["method"],
        "/api/v1/companies/4711",
    )
    current_request.set(request)
    fields = {name: value for name, value in FIELDS.items() if not hasattr(request, name)}
    fields["endpoint"] = FIELDS["endpoint"]
    return Subject(
        lambda number: logger.info(MESSAGE, number=number, **fields), lambda: pipeline.flush(60.0)
    )


def etter_obs_access(sink: Path) -> Subject:
    """The line that the middleware of this package logs for a request."""
    from etter_obs._internal.logs import LogPipeline
    from etter_obs._internal.metrics.registry import MetricsRegistry
    from etter_obs._internal.settings import Settings

    stream = sink.open("a")
    settings = Settings()
    pipeline = LogPipeline(settings, "shop", "bench", MetricsRegistry("etter"), stream)
    return Subject(
        lambda number: pipeline.access({"number": number, **FIELDS}), lambda: pipeline.flush(60.0)
    )


def structlog_fastest(sink: Path) -> Subject:
    """Structlog as its own page on performance sets it up: orjson, BytesLogger, cached."""
    import orjson
    import structlog

    structlog.configure(
        cache_logger_on_first_use=True,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(sink.open("ab")),
    )
    logger = structlog.get_logger("bench")
    return Subject(lambda number: logger.info(MESSAGE, number=number, **FIELDS), lambda: None)


def structlog_callsite(sink: Path) -> Subject:
    """The same, with the module, function and line that this package's lines have too."""
    import structlog

    subject = structlog_fastest(sink)
    callsite = structlog.processors.CallsiteParameterAdder(
        {
            structlog.processors.CallsiteParameter.MODULE,
            structlog.processors.CallsiteParameter.FUNC_NAME,
            structlog.processors.CallsiteParameter.LINENO,
        }
    )
    structlog.get_config()["processors"].insert(1, callsite)
    return subject


def python_json_logger(sink: Path) -> Subject:
    """python-json-logger on the standard library's logging, with its orjson formatter."""
    from pythonjsonlogger.orjson import OrjsonFormatter

    handler = logging.StreamHandler(sink.open("a"))
    handler.setFormatter(
        OrjsonFormatter("%(asctime)s %(levelname)s %(message)s %(module)s %(funcName)s %(lineno)d")
    )
    logger = logging.getLogger("bench")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return Subject(
        lambda number: logger.info(MESSAGE, extra={"number": number, **FIELDS}), lambda: None
    )


def guide(sink: Path) -> Subject:
    """A JSON logger written by hand, which encodes every line twice."""

    class JsonFormatter(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            data = {
                "timestamp": datetime.now(UTC).replace(tzinfo=None).isoformat(),
                "level": record.levelname,
                "message": record.getMessage(),
                "module": record.module,
                "function": record.funcName,
                "line": record.lineno,
            }
            if record.exc_info:
                data["exception"] = self.formatException(record.exc_info)
            return json.dumps(data)

    class StructuredLogger:
        def __init__(self, name: str) -> None:
            self.logger = logging.getLogger(name)
            self.logger.setLevel(logging.INFO)
            handler = logging.StreamHandler(sink.open("a"))
            handler.setFormatter(JsonFormatter())
            self.logger.addHandler(handler)
            self.logger.propagate = False

        def log(self, level: str, message: str, **kwargs: Any) -> None:
            data = {
                "timestamp": datetime.now(UTC).replace(tzinfo=None).isoformat(),
                "level": level,
                "message": message,
                **kwargs,
            }
            getattr(self.logger, level.lower())(json.dumps(data))

        def info(self, message: str, **kwargs: Any) -> None:
            self.log("INFO", message, **kwargs)

    logger = StructuredLogger("bench")
    return Subject(lambda number: logger.info(MESSAGE, number=number, **FIELDS), lambda: None)


SUBJECTS: Final[dict[str, Callable[[Path], Subject]]] = {
    "etter-obs, get_logger": etter_obs,
    "etter-obs, access line": etter_obs_access,
    "structlog's fastest": structlog_fastest,
    "structlog's fastest + call site": structlog_callsite,
    "python-json-logger, orjson": python_json_logger,
    LEADS: guide,
}


class Measured(NamedTuple):
    """Microseconds a line: of the calling thread, and of wall and processor time in all."""

    call: float
    whole: float
    processor: float


def measure(name: str, lines: int, sink: Path) -> Measured:
    """Log ``lines`` lines by the set-up ``name``, in this process."""
    subject = SUBJECTS[name](sink)
    for number in range(500):
        subject.log(number)
    subject.finish()
    call = 0.0
    processor, wall = time.process_time(), time.perf_counter()
    for first in range(0, lines, BURST):
        thread = time.thread_time()
        for number in range(first, first + BURST):
            subject.log(number)
        call += time.thread_time() - thread
        subject.finish()
    whole = time.perf_counter() - wall
    return Measured(*(1e6 * t / lines for t in (call, whole, time.process_time() - processor)))


def in_own_process(name: str, lines: int, sink: Path) -> Measured:
    """Measure in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.logging", "--lines", str(lines)]
    command += ["--only", name, "--sink", str(sink)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Measured(*json.loads(done.stdout))


@click.command(help=__doc__)
@click.option("--lines", default=20_000, show_default=True, help="Lines a round.")
@click.option("--rounds", default=7, show_default=True, help="Rounds of every set-up.")
@click.option(
    "--sink",
    default="pipe",
    show_default=True,
    help="pipe (to a process that reads and forgets, as a container's engine does) or a path.",
)
@click.option("--only", type=click.Choice(list(SUBJECTS)), hidden=True)
def main(lines: int, rounds: int, sink: str, only: str | None) -> None:
    """Run the benchmark and print the table."""
    if only is not None:
        print(json.dumps(measure(only, lines, Path(sink))))
        return
    with a_pipe() if sink == "pipe" else contextlib.nullcontext(Path(sink)) as path:
        compare(lines, rounds, path)


@contextlib.contextmanager
def a_pipe() -> Iterator[Path]:
    """Make a named pipe with a reader that forgets what it reads."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipe"
        os.mkfifo(path)
        keep_open = os.open(path, os.O_RDWR)
        reader = subprocess.Popen(["cat", str(path)], stdout=subprocess.DEVNULL)
        try:
            yield path
        finally:
            reader.terminate()
            reader.wait()
            os.close(keep_open)


def compare(lines: int, rounds: int, sink: Path) -> None:
    """Measure every set-up, round by round, and print the table."""
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    results: dict[str, list[Measured]] = {name: [] for name in SUBJECTS}
    for _ in track(range(rounds), description="rounds", console=Console(stderr=True)):
        for name, rows in results.items():
            rows.append(in_own_process(name, lines, sink))
    best = {
        name: Measured(*(min(column) for column in zip(*rows, strict=True)))
        for name, rows in results.items()
    }
    table = Table(title=f"{lines} lines a round, best of {rounds} rounds, to {sink.name}")
    table.add_column("set-up")
    for heading in ("µs, caller", "µs, in all", "× by hand", "lines/s", "× by hand "):
        table.add_column(heading, justify="right")
    slowest = best[LEADS]
    for name, measured in best.items():
        table.add_row(
            name,
            f"{measured.call:.2f}",
            f"{measured.processor:.2f}",
            f"{slowest.processor / measured.processor:.2f}",
            f"{1e6 / measured.whole:,.0f}",
            f"{slowest.whole / measured.whole:.2f}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
