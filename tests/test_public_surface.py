"""What users may import is a list, and nothing else is public by name."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

import etter_obs
import etter_obs.testing
from tests.app.apps import make_app
from tests.app.asgi import observed
from tests.command_line import run

NAMES = {
    "Observability",
    "Settings",
    "SettingsError",
    "SpecError",
    "ainvalidate",
    "bind_request",
    "cached",
    "count_exceptions",
    "counted",
    "current_request_id",
    "get_logger",
    "invalidate",
    "setup_observability",
    "timed",
    "traced",
    "track_request_metrics",
}
HANDLE = {
    *("settings", "spec", "metrics", "logs", "tracing", "errors", "health"),
    *("flush", "shutdown", "observe_engine", "observe_redis"),
}
COMMANDS = {"check", "dashboards", "doctor", "generate", "init", "slo", "view"}


def test_the_package_exports_exactly_the_public_names() -> None:
    """``etter_obs.__all__`` is the list above, and every name in it can be imported."""
    assert set(etter_obs.__all__) == NAMES
    assert all(hasattr(etter_obs, name) for name in NAMES)


def test_every_other_module_is_private_by_name() -> None:
    """Outside etter_obs.testing and __main__, each module's path contains an underscore part."""
    modules = {name for _, name, _ in pkgutil.iter_modules(etter_obs.__path__)}
    assert modules == {"__main__", "_internal", "testing"}


def test_the_handle_has_exactly_the_public_attributes() -> None:
    """What an ``Observability`` shows without an underscore is the list above."""
    with observed(make_app()) as handle:
        assert {name for name in dir(handle) if not name.startswith("_")} == HANDLE


def test_the_commands_are_exactly_the_public_ones(tmp_path: Path) -> None:
    """``etter-obs --help`` lists the commands above."""
    code, said = run("--help", cwd=tmp_path)
    listed = re.findall(r"^  (\w+)  ", said.split("Commands:")[1], re.MULTILINE)
    assert code == 0
    assert set(listed) == COMMANDS
