"""Apps that configure logging for themselves, each in a process of its own, and what they wrote.

``python -m tests.logs.configured FOLDER`` runs all of :data:`CASES`: one child of it for each, so
that what all of them import is imported once.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import logging.config
import logging.handlers
import os
import queue
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
from fastapi import FastAPI
from loguru import logger as loguru_logger
from rich.logging import RichHandler

from etter_obs import get_logger, setup_observability

SECRET: Final = "Hunter2Zq9"
_ALEMBIC: Final = """
[loggers]
keys = root,sqlalchemy,alembic
[handlers]
keys = console
[formatters]
keys = generic
[logger_root]
level = WARN
handlers = console
qualname =
[logger_sqlalchemy]
level = WARN
handlers =
qualname = sqlalchemy.engine
[logger_alembic]
level = INFO
handlers =
qualname = alembic
[handler_console]
class = StreamHandler
args = (sys.stderr,)
level = NOTSET
formatter = generic
[formatter_generic]
format = %(levelname)-5.5s [%(name)s] %(message)s
"""
SHARED: Final[list[structlog.typing.Processor]] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.filter_by_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso"),
    structlog.processors.format_exc_info,
]


def configure_structlog(last: structlog.typing.Processor) -> None:
    """Configure structlog as its manual does for logging, caching included."""
    structlog.configure(
        processors=[*SHARED, last],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


class Intercept(logging.Handler):
    """Gives the records of logging to loguru, as loguru's manual shows."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand ``record`` on."""
        frame, depth = inspect.currentframe(), 0
        while frame and (depth == 0 or frame.f_code.co_filename == logging.__file__):
            frame = frame.f_back
            depth += 1
        loguru_logger.opt(depth=depth, exception=record.exc_info).log(
            record.levelname, record.getMessage()
        )


class Propagate(logging.Handler):
    """Gives loguru's lines to logging, as loguru's manual shows."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand ``record`` on."""
        logging.getLogger(record.name).handle(record)


@dataclass(frozen=True)
class Case:
    """An app that configures logging ``before`` and ``after`` the call."""

    before: Callable[[Path], object] = lambda folder: None
    after: Callable[[Path], object] = lambda folder: None
    lost: frozenset[str] = frozenset()
    """Messages that the app's own configuration keeps from the console, with us and without."""
    at_end: Callable[[], object] = lambda: None


def _nothing(folder: Path) -> None:
    """Configure nothing."""


def _basic(folder: Path) -> None:
    logging.basicConfig(force=True, level="INFO", stream=sys.stdout)


def _rich(folder: Path) -> None:
    logging.basicConfig(force=True, level="INFO", handlers=[RichHandler()])


def _device(folder: Path) -> None:
    logging.basicConfig(force=True, level="INFO", filename="/dev/stdout")


def _dict(disable: bool) -> Callable[[Path], None]:
    def configure(folder: Path) -> None:
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": disable,
                "handlers": {
                    "out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"},
                    "file": {"class": "logging.FileHandler", "filename": str(folder / "file")},
                },
                "loggers": {"shop": {"handlers": ["out"], "level": "INFO"}},
                "root": {"handlers": ["out", "file"], "level": "INFO"},
            }
        )

    return configure


def _apart(folder: Path) -> None:
    """A logger that leads to the console by itself, and one that leads to a file alone."""
    shop, audit = logging.getLogger("shop"), logging.getLogger("audit")
    shop.addHandler(logging.StreamHandler(sys.stderr))
    audit.addHandler(logging.FileHandler(folder / "audit"))
    shop.propagate = audit.propagate = False


def _alembic(folder: Path) -> None:
    ini = folder / "alembic.ini"
    ini.write_text(_ALEMBIC)
    logging.config.fileConfig(ini)


_listeners: Final[list[logging.handlers.QueueListener]] = []


def _queued(folder: Path) -> None:
    lines: queue.Queue[logging.LogRecord] = queue.Queue()
    listener = logging.handlers.QueueListener(lines, logging.StreamHandler())
    listener.start()
    _listeners.append(listener)
    logging.basicConfig(force=True, level="INFO", handlers=[logging.handlers.QueueHandler(lines)])


def _filtered(folder: Path) -> None:
    handler = logging.StreamHandler()
    handler.addFilter(lambda record: "unwanted" not in record.getMessage())
    logging.getLogger().addHandler(handler)


def _intercept(folder: Path) -> None:
    loguru_logger.remove()
    loguru_logger.add(sys.stdout, serialize=True)
    loguru_logger.add(folder / "loguru", format="{function} {message}")
    logging.basicConfig(force=True, level=0, handlers=[Intercept()])


def _propagate(folder: Path) -> None:
    loguru_logger.add(Propagate(), format="{message}")
    _basic(folder)


def _structlog_renders(folder: Path) -> None:
    configure_structlog(structlog.processors.JSONRenderer())
    _basic(folder)
    logging.getLogger().addHandler(logging.FileHandler(folder / "file"))


def _structlog_wraps(folder: Path) -> None:
    configure_structlog(structlog.stdlib.ProcessorFormatter.wrap_for_formatter)
    _basic(folder)
    file = logging.FileHandler(folder / "file")
    file.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer())
    )
    logging.getLogger().addHandler(file)


_FROM_LOGGING: Final = frozenset({"from logging", "from logging, before", "boom"})

CASES: Final[dict[str, Case]] = {
    "nothing": Case(),
    "basicConfig before": Case(before=_basic),
    "basicConfig after": Case(after=_basic),
    "rich before": Case(before=_rich),
    "rich after": Case(after=_rich),
    "dictConfig": Case(after=_dict(disable=False)),
    "dictConfig that disables": Case(
        after=_dict(disable=True), lost=frozenset({"from logging, before"})
    ),
    "a logger with its own handler": Case(after=_apart),
    "alembic": Case(after=_alembic, lost=_FROM_LOGGING - {"boom"}),
    "a file that is the console": Case(after=_device),
    "a queue": Case(after=_queued, at_end=lambda: _listeners[0].stop()),
    "a filter": Case(before=_filtered),
    "loguru configured": Case(after=_intercept),
    "loguru to logging": Case(after=_propagate),
    "structlog to JSON before": Case(before=_structlog_renders),
    "structlog to JSON after": Case(after=_structlog_renders),
    "structlog to a formatter before": Case(before=_structlog_wraps),
    "structlog to a formatter after": Case(after=_structlog_wraps),
}
MESSAGES: Final = _FROM_LOGGING | {
    "from get_logger",
    "from get_logger, before",
    "from structlog",
    "from structlog, before",
    "from loguru",
    "boom in loguru",
}
"""What each app logs in its one request, besides ``unwanted`` and what goes to a file alone."""


async def _run(case: Case, folder: Path) -> None:
    case.before(folder)
    ours_before = get_logger(__name__).bind(early=True)
    structlog_before = structlog.get_logger("shop").bind(early=True)
    logging_before = logging.getLogger("earlier")
    app = FastAPI()
    observability = setup_observability(app)

    @app.get("/")
    async def root() -> None:
        ours_before.info("from get_logger, before", password=SECRET)
        structlog_before.info("from structlog, before", password=SECRET)
        logging_before.info("from logging, before", extra={"password": SECRET})
        get_logger(__name__).info("from get_logger", password=SECRET)
        structlog.get_logger("shop").info("from structlog", password=SECRET)
        logging.getLogger("shop").info("from logging", extra={"password": SECRET})
        loguru_logger.bind(password=SECRET).info("from loguru")
        logging.getLogger("audit").info("audited")
        logging.getLogger("shop").info("unwanted")
        try:
            raise ValueError(f"password={SECRET}")
        except ValueError:
            logging.getLogger("shop").exception("boom")
            loguru_logger.exception("boom in loguru")

    inbox = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, Any]:
        message = next(inbox)
        if message["type"] == "lifespan.shutdown":
            await app(_REQUEST, _no_body, _ignore)
        return message

    async def start() -> None:
        case.after(folder)

    app.router.on_startup.append(start)
    await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, _ignore)
    case.at_end()
    observability.shutdown()


_REQUEST: Final[dict[str, Any]] = {
    "type": "http",
    "method": "GET",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "headers": [(b"x-request-id", b"the-request")],
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 2),
    "scheme": "http",
    "root_path": "",
    "http_version": "1.1",
}


async def _no_body() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _ignore(message: Any) -> None:
    """Take what the app sends."""


def _in_child(case: Case, folder: Path) -> None:
    with (folder / "output").open("wb") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    code = 1
    try:
        asyncio.run(_run(case, folder))
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main(folder: Path) -> None:
    """Run every case; ``FOLDER/results.json`` has the exit code of each."""
    codes = {}
    for number, (name, case) in enumerate(CASES.items()):
        own = folder / str(number)
        own.mkdir()
        child = os.fork()
        if not child:
            _in_child(case, own)
        codes[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    (folder / "results.json").write_text(json.dumps(codes))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
