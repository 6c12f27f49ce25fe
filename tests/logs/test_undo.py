"""What installing changes, and that undoing changes it back."""

from __future__ import annotations

import io
import logging
import logging.config
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from etter_obs._internal.logs import LogPipeline, get_logger
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.settings import Settings
from tests.logs.pipelines import Logged

logger = get_logger("tests.undo")


@pytest.fixture
def console() -> Iterator[logging.Handler]:
    """A handler on the root logger that writes to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


def state() -> tuple[object, ...]:
    """Return everything that installing may change."""
    root = logging.getLogger()
    return (
        list(root.handlers),
        root.level,
        logging.Logger.callHandlers,
        logging.Handler.handle,
        structlog.BoundLoggerBase._proxy_to_logger,
        structlog.get_config(),
        structlog.is_configured(),
    )


@pytest.mark.parametrize("configured", [False, True])
def test_the_undo_restores_everything(
    tmp_path: Path, console: logging.Handler, configured: bool
) -> None:
    """Handlers, levels, methods and structlog's configuration are as they were before."""
    if configured:
        structlog.configure(processors=[structlog.processors.JSONRenderer()])
    try:
        before = state()
        with Logged(tmp_path / "log") as logged:
            assert state() != before
            logged.undo()
            assert state() == before
            logged.undo()
        assert state() == before
    finally:
        structlog.reset_defaults()


def test_installing_twice_changes_nothing(logged: Logged) -> None:
    """A second install() adds no second handler: a line comes once."""
    logged.pipeline.install()
    logging.getLogger("tests").info("once")
    logger.info("once")
    assert len(logged.lines()) == 2


def test_two_pipelines_share_no_line(tmp_path: Path, console: logging.Handler) -> None:
    """With two of them the newest takes all lines; they may be undone in any order."""
    before = state()
    with Logged(tmp_path / "a") as first, Logged(tmp_path / "b") as second:
        logger.info("second")
        logging.getLogger("tests").info("second")
        first.undo()
        logger.info("second")
        assert first.lines() == []
        assert len(second.lines()) == 3
    assert state() == before


def test_a_logger_outlives_its_pipeline(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A logger that structlog cached logs to the next pipeline, and to logging where none is."""
    for name in ("a", "b"):
        with Logged(tmp_path / name) as logged:
            logger.info(name)
            assert [line["message"] for line in logged.lines()] == [name]
    logger.warning("alone", count=3)
    assert caplog.records[-1].getMessage() == "alone {'count': 3}"
    assert caplog.records[-1].name == "tests.undo"


def test_other_handlers_stay(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A handler that writes to a file, or pytest's caplog, keeps getting records."""
    stream = io.StringIO()
    mine = logging.StreamHandler(stream)
    logging.getLogger().addHandler(mine)
    try:
        with Logged(tmp_path / "log"):
            logging.getLogger("tests").warning("both")
    finally:
        logging.getLogger().removeHandler(mine)
    assert stream.getvalue() == "both\n"
    assert "both" in caplog.messages


def test_structlogs_own_test_helper_works(logged: Logged) -> None:
    """structlog.testing.capture_logs takes the events, as its users' tests expect."""
    logger.info("before")
    with capture_logs() as captured:
        logger.info("captured", number=1)
    logger.info("after")
    assert captured == [{"event": "captured", "number": 1, "log_level": "info"}]
    assert [line["message"] for line in logged.lines()] == ["before", "after"]


def test_a_stream_in_memory_is_written_too() -> None:
    """A stream without a file descriptor, as pytest's capsys puts in place, gets the lines."""
    stream = io.StringIO()
    registry = MetricsRegistry("etter")
    pipeline = LogPipeline(Settings(), "shop", "test", registry, stream)
    pipeline.install()
    logger.info("in memory")
    assert pipeline.close(5.0)
    registry.close()
    assert '"in memory"' in stream.getvalue()


def test_a_reconfigured_uvicorn_still_comes(logged: Logged) -> None:
    """Uvicorn configures logging after it imported the app; its lines come all the same, once."""
    from uvicorn.config import LOGGING_CONFIG

    saved = {name: logging.getLogger(name) for name in ("uvicorn", "uvicorn.error")}
    handlers = {name: list(server.handlers) for name, server in saved.items()}
    logging.config.dictConfig(LOGGING_CONFIG)
    try:
        logging.getLogger("uvicorn.error").info("Started server process [%d]", 1)
        logging.getLogger("uvicorn.access").info("GET / 200")
    finally:
        for name, server in saved.items():
            server.handlers[:] = handlers[name]
            server.propagate = True
    assert logged.line()["message"] == "Started server process [1]"
