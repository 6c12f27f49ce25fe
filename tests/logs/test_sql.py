"""What SQLAlchemy shows of a statement: in its errors and, if enabled, in its log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from etter_obs._internal.settings import Settings
from tests.logs.pipelines import Logged

SECRET = "Hunter2Zq9"
ROWS = [
    {"name": f"bob{number % 90}", "secret": f"{SECRET}, ]'\"){number}"} for number in range(100)
]
WAYS: dict[str, Callable[[Connection], Any]] = {
    "positional": lambda c: c.exec_driver_sql("INSERT INTO u VALUES (?, ?)", ("ann", SECRET)),
    "named": lambda c: c.execute(
        text("INSERT INTO u VALUES (:name, :x)"), {"name": "ann", "x": SECRET}
    ),
    "driver's names": lambda c: c.exec_driver_sql(
        "INSERT INTO u VALUES (:a, :b)", {"a": "ann", "b": SECRET}
    ),
    "many rows": lambda c: c.execute(text("INSERT INTO u VALUES (:name, :secret)"), ROWS),
    "bytes": lambda c: c.exec_driver_sql(
        "INSERT INTO u VALUES (?, ?)", ("ann", f"'] {SECRET}".encode())
    ),
    "in the text": lambda c: c.exec_driver_sql(f"INSERT INTO u VALUES ('ann', '{SECRET}')"),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_parameter_of_a_failed_statement_is_shown(tmp_path: Path, way: str) -> None:
    """However parameters are passed, the error's text is logged complete, but without them."""
    engine = create_engine("sqlite://")
    with Logged(tmp_path / "log", Settings()) as logged, engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE u (name TEXT UNIQUE, password TEXT)")
        connection.exec_driver_sql("INSERT INTO u VALUES ('ann', 'x')")
        with pytest.raises(SQLAlchemyError) as failed:
            WAYS[way](connection)
        assert SECRET in str(failed.value)
        logging.getLogger("app").error("%s", failed.value)
        logging.getLogger("app").error("failed %r", str(failed.value), exc_info=failed.value)
        for raw, line in zip(logged.raw(), logged.lines(), strict=True):
            assert SECRET not in raw.decode()
            assert "UNIQUE constraint failed: u.name" in line["message"]
            assert "INSERT INTO u VALUES (" in line["message"]
            assert "Background on this error" in line["message"]


@pytest.mark.parametrize("way", [way for way in WAYS if way != "in the text"])
def test_no_parameter_is_in_the_echo(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    """An engine's echo shows statements and none of their parameters."""
    caplog.set_level(logging.INFO, "sqlalchemy.engine")
    engine = create_engine("sqlite://")
    with Logged(tmp_path / "log", Settings()) as logged, engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE u (name TEXT, password TEXT)")
        for _ in range(2):  # a statement that is known says so
            WAYS[way](connection)
        messages = [line["message"] for line in logged.lines()]
    assert any("INSERT INTO u" in message for message in messages)
    assert sum("[redacted]" in message for message in messages) >= 2
    assert not any(SECRET in message for message in messages)
