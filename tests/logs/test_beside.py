"""What else listens to logging: Sentry, handlers, queues from other processes, code that asks."""

from __future__ import annotations

import io
import logging
import logging.handlers
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sentry_sdk
import structlog
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.transport import Transport

from etter_obs._internal.logs import get_logger
from tests.logs.pipelines import Logged

logger = get_logger("tests.beside")


class Kept(Transport):
    """Keeps the events that Sentry would send."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def capture_envelope(self, envelope: sentry_sdk.envelope.Envelope) -> None:
        """Keep the message of an event."""
        event = envelope.get_event()
        if event is not None:
            self.messages.append(str(event["logentry"]["message"]))


class Keeping(logging.Handler):
    """Keeps records as they come."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep ``record``."""
        self.records.append(record)


@pytest.fixture
def file() -> Iterator[io.StringIO]:
    """What the root logger's handler of the app has written, in its own format."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s|%(levelname)s|%(funcName)s|%(message)s"))
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize("first", ["sentry", "us"])
def test_sentrys_own_integration_gets_each_line_once(tmp_path: Path, first: str) -> None:
    """Errors logged by structlog and logging reach the app's own Sentry, in either order, once."""
    kept = Kept()

    def start_sentry() -> None:
        # Its other integrations patch clients of the whole process, for good.
        sentry_sdk.init(
            "https://key@localhost/1",
            transport=kept,
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[LoggingIntegration()],
        )

    if first == "sentry":
        start_sentry()
    with Logged(tmp_path / "log") as logged:
        if first == "us":
            start_sentry()
        logger.error("of structlog", number=7)
        logging.getLogger("tests.beside").error("of logging")
        assert [line["message"] for line in logged.lines()] == ["of structlog", "of logging"]
    sentry_sdk.get_client().close()
    sentry_sdk.init(default_integrations=False, auto_enabling_integrations=False)
    assert kept.messages == ["of structlog", "of logging"]


def test_structlogs_lines_reach_the_apps_handlers(logged: Logged, file: io.StringIO) -> None:
    """A handler of logging gets a line of structlog with its place, exception and fields."""
    keep = Keeping()
    logging.getLogger("tests").addHandler(keep)
    try:
        int("seven")
    except ValueError:
        logger.bind(job="nightly").exception("failed %s", "twice", number=7, message="mine")
    finally:
        logging.getLogger("tests").removeHandler(keep)
    written = file.getvalue().splitlines()
    name = "test_structlogs_lines_reach_the_apps_handlers"
    assert written[0] == f"tests.beside|ERROR|{name}|failed twice"
    assert written[-1].startswith("ValueError: ")
    (record,) = keep.records
    assert (vars(record)["number"], vars(record)["job"]) == (7, "nightly")
    assert len(logged.lines()) == 1


async def test_lines_of_awaited_methods_reach_them_too(logged: Logged, file: io.StringIO) -> None:
    """`await log.ainfo()` and `log.log()` are written once, here and by the app's handler."""
    await logger.ainfo("awaited")
    logger.log(logging.WARNING, "by number")
    assert [line["message"] for line in logged.lines()] == ["awaited", "by number"]
    assert [line.rpartition("|")[2] for line in file.getvalue().splitlines()] == [
        "awaited",
        "by number",
    ]


def test_a_structlog_logger_is_asked_like_one_of_logging(logged: Logged) -> None:
    """`name`, `isEnabledFor`, `setLevel` and the others work, and a level that is set holds."""
    log = structlog.get_logger("tests.asked")
    assert log.name == "tests.asked"
    assert structlog.get_logger().name == __name__
    assert log.isEnabledFor(logging.INFO)
    assert not log.isEnabledFor(logging.DEBUG)
    log.setLevel(logging.ERROR)
    try:
        assert not log.isEnabledFor(logging.WARNING)
        assert log.getEffectiveLevel() == logging.ERROR
        log.warning("too low")
        get_logger("tests.asked.below").warning("too low")
        log.error("high enough")
    finally:
        log.setLevel(logging.NOTSET)
    assert [line["message"] for line in logged.lines()] == ["high enough"]
    with pytest.raises(AttributeError):
        log.no_such_thing()


def test_a_record_of_another_process_keeps_its_traceback(logged: Logged) -> None:
    """A pickled record, whose exception is a text by then, is shown with it, redacted."""
    try:
        raise ValueError("password=Hunter2Zq9")
    except ValueError:
        record = logging.getLogger("tests").makeRecord(
            "worker", logging.ERROR, "worker.py", 7, "failed", (), sys.exc_info()
        )
    sent = logging.handlers.SocketHandler("localhost", 1).makePickle(record)
    received = logging.makeLogRecord(pickle.loads(sent[4:]))
    logging.getLogger("worker").handle(received)
    line = logged.line()
    assert (line["message"], line["line"]) == ("failed", 7)
    assert line["exception"].startswith("Traceback (most recent call last)")
    assert line["exception"].endswith("ValueError: password=[redacted]")


def test_a_record_that_was_seen_pickles_as_it_was(logged: Logged, file: io.StringIO) -> None:
    """What the app's handlers send elsewhere needs nothing of this package to be read."""
    keep = Keeping()
    logging.getLogger().addHandler(keep)
    logging.getLogger("tests").warning("sent on")
    logging.getLogger().removeHandler(keep)
    data = pickle.dumps(keep.records[0])
    assert b"etter_obs" not in data
    assert type(pickle.loads(data).levelname) is str


def test_what_a_filter_of_a_console_handler_does_shows(logged: Logged) -> None:
    """A filter that hides or adds something on the app's console does so on the JSON line."""

    def touch(record: logging.LogRecord) -> bool:
        record.msg = record.msg.replace("visible", "hidden by the app")
        vars(record)["correlation"] = "c-1"
        return True

    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(touch)
    logging.getLogger().addHandler(handler)
    try:
        logging.getLogger("tests").info("visible")
    finally:
        logging.getLogger().removeHandler(handler)
    line = logged.line()
    assert (line["message"], line["correlation"]) == ("hidden by the app", "c-1")
