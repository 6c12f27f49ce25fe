"""Servers' own ways to configure logging: each line comes once, as JSON, and files stay files."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.servers import running
from tests.waiting import eventually

_INI = """
[loggers]
keys = root,error,access
[handlers]
keys = console,file
[formatters]
keys = plain
[logger_root]
level = INFO
handlers = console,file
[logger_error]
level = INFO
handlers = console,file
propagate = 0
qualname = {server}.error
[logger_access]
level = INFO
handlers = console,file
propagate = 0
qualname = {server}.access
[handler_console]
class = StreamHandler
args = (sys.stdout,)
formatter = plain
[handler_file]
class = FileHandler
args = ("{file}",)
formatter = plain
[formatter_plain]
format = plain|%(name)s|%(message)s
"""


def options(server: str, folder: Path) -> list[str]:
    """Return the server's options for a log configuration that writes to the console and a file."""
    if server == "granian":
        config = folder / "log.json"
        handlers = ["console", "file"]
        config.write_text(
            json.dumps(
                {
                    "formatters": {"plain": {"format": "plain|%(name)s|%(message)s"}},
                    "handlers": {
                        "console": {"class": "logging.StreamHandler", "formatter": "plain"},
                        "file": {
                            "class": "logging.FileHandler",
                            "filename": str(folder / "log"),
                            "formatter": "plain",
                        },
                    },
                    "root": {"handlers": handlers, "level": "INFO"},
                    "loggers": {
                        name: {"handlers": handlers, "level": "INFO", "propagate": False}
                        for name in ("_granian", "granian.access")
                    },
                }
            )
        )
        return ["--log-config", str(config), "--access-log"]
    config = folder / "log.ini"
    config.write_text(_INI.format(server=server.partition("-")[0], file=folder / "log"))
    return ["--log-config", str(config)]


@pytest.mark.parametrize("server", ["uvicorn", "gunicorn", "hypercorn", "granian"])
def test_a_servers_log_configuration(server: str, tmp_path: Path) -> None:
    """With ``--log-config`` lines come once, as JSON; files get theirs, as they are configured."""
    with running(server, "tests.logs.served_app:app", *options(server, tmp_path)) as run:
        run.get("/ping", headers={"X-Request-ID": "the-ping"})
        run.get("/broken", headers={"X-Request-ID": "the-fault"})
        eventually(lambda: "Request failed" in run.said(), deadline_s=10, tell=run.said)
        run.end()
    of_ping = [line for line in run.lines if line["request_id"] == "the-ping"]
    counts = Counter(line["message"] for line in of_ping)
    assert counts == {"of structlog": 1, "of logging": 1, "Request completed": 1}, run.said()
    for line in of_ping[:2]:
        assert line["password"] == "[redacted]"
    assert "Hunter2Zq9" not in run.said()
    # What is not JSON is of a process without the app, before it was imported or beside it.
    text = [line for line in run.output if not line.startswith("{")]
    assert not [line for line in text if "ping" in line or "ValueError" in line], run.said()
    kept = (tmp_path / "log").read_text()
    assert kept.count("plain|served|of logging") == 1
    assert kept.count("of structlog") == 1
    if server in ("uvicorn", "granian"):  # the others' access logs need another option
        assert "/ping" in kept


@pytest.mark.parametrize("server", ["gunicorn", "hypercorn"])
def test_an_access_log_on_the_console_is_ours(server: str) -> None:
    """With ``--access-logfile -`` a request has one line: the JSON one."""
    with running(server, "tests.logs.served_app:app", "--access-logfile", "-") as run:
        run.get("/ping", headers={"X-Request-ID": "the-ping"})
        run.end()
    assert [line for line in run.output if "/ping" in line and not line.startswith("{")] == []
    assert sum("Request completed" in line for line in run.output) == 1
