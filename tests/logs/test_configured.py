"""Each line comes once, as JSON, however and whenever the app configures logging for itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.logs.configured import CASES, MESSAGES, SECRET
from tests.servers import ROOT


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of what each app wrote: to the console in ``output``, and its own files."""
    folder = tmp_path_factory.mktemp("configured")
    command = [sys.executable, "-m", "tests.logs.configured", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    codes = json.loads((folder / "results.json").read_text())
    for number, (name, code) in enumerate(codes.items()):
        assert code == 0, (name, (folder / str(number) / "output").read_text())
    return {name: folder / str(number) for number, name in enumerate(codes)}


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """Return what was written to the console; all of it is JSON."""
    return [json.loads(line) for line in (folder / "output").read_text().splitlines()]


@pytest.mark.parametrize("name", CASES)
def test_each_line_comes_once_with_its_ids_and_no_secret(
    outputs: dict[str, Path], name: str
) -> None:
    """Standard output and error hold one JSON object for each line, redacted, with its request."""
    lines = lines_of(outputs[name])
    of_request = [line for line in lines if line["request_id"] == "the-request"]
    counts = Counter(line["message"] for line in of_request)
    expected = MESSAGES - CASES[name].lost
    assert counts.keys() >= expected
    assert set(counts.values()) == {1}
    assert counts.keys() <= expected | {"audited", "unwanted", "Request completed"}
    assert SECRET not in (outputs[name] / "output").read_text()
    for line in of_request:
        if line["message"].startswith("from "):
            assert line["password"] == "[redacted]", line
            assert (line["module"], line["function"]) == ("configured", "root")
            assert line.keys().isdisjoint({"level_", "logger_", "timestamp_", "event"})
        if line["message"].startswith("boom"):
            assert line["exception"].endswith("ValueError: password=[redacted]")
        assert ("early" in line) == (
            "before" in line["message"] and "logging" not in line["message"]
        )


def test_a_filter_on_a_console_handler_still_refuses(outputs: dict[str, Path]) -> None:
    """What the app's own console handler filters out does not come; all else does."""
    assert "unwanted" not in {line["message"] for line in lines_of(outputs["a filter"])}
    assert "unwanted" in {line["message"] for line in lines_of(outputs["nothing"])}


def test_a_logger_that_leads_to_a_file_alone_stays_there(outputs: dict[str, Path]) -> None:
    """An audit log that the app keeps from the console is not led there."""
    folder = outputs["a logger with its own handler"]
    assert "audited" not in {line["message"] for line in lines_of(folder)}
    assert (folder / "audit").read_text() == "audited\n"


def test_files_keep_their_own_format(outputs: dict[str, Path]) -> None:
    """A file handler gets lines of logging and structlog, each once, as the app formats them.

    A logger that structlog bound to the console before is its own affair.
    """
    plain = (outputs["dictConfig"] / "file").read_text().splitlines()
    assert [line for line in plain if line.startswith("from ")] == [
        "from get_logger, before",
        "from logging, before",
        "from get_logger",
        "from structlog",
        "from logging",
    ]
    rendered = (outputs["structlog to JSON before"] / "file").read_text().splitlines()
    wrapped = (outputs["structlog to a formatter before"] / "file").read_text().splitlines()
    for written in (rendered, wrapped):
        own = [json.loads(line) for line in written if '"from structlog"' in line]
        assert len(own) == 1
        assert own[0].keys() == {"event", "level", "logger", "timestamp", "password"}
        assert (own[0]["logger"], own[0]["level"]) == ("shop", "info")


def test_loguru_files_keep_their_own_format(outputs: dict[str, Path]) -> None:
    """A file of loguru's gets its lines and the intercept handler's, with who logged them."""
    written = (outputs["loguru configured"] / "loguru").read_text().splitlines()
    assert "root from loguru" in written
    assert "root from logging" in written
    assert written.count("root from logging") == 1


@pytest.mark.parametrize("name", ["alembic", "dictConfig that disables"])
def test_a_configuration_that_disables_loggers_is_reported(
    outputs: dict[str, Path], name: str
) -> None:
    """One warning names what the app's own logging configuration discards."""
    (told,) = [
        line for line in lines_of(outputs[name]) if "configuration disabled" in line["message"]
    ]
    assert told["level"] == "WARNING"
    assert "disable_existing_loggers=False" in told["message"]


@pytest.mark.parametrize(
    ("name", "loggers"),
    [
        ("nothing", []),
        ("basicConfig before", ["root"]),
        ("rich after", ["root"]),
        ("a logger with its own handler", ["shop"]),
    ],
)
def test_handlers_that_are_silent_are_named(
    outputs: dict[str, Path], name: str, loggers: list[str]
) -> None:
    """One line names the logger of each handler of the app that becomes silent."""
    told = [line["message"] for line in lines_of(outputs[name]) if "silenced" in line["message"]]
    assert [message.rpartition(": ")[2] for message in told] == loggers
