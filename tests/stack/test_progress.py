"""What a long task says about the time that is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from stack.progress import Task, last_time


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETTER_OBS_CACHE", str(tmp_path))


def test_a_task_says_what_is_left_by_what_it_took_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first time it says nothing or the estimate given; then its own last duration."""
    with Task("[1 of 2] building x", "build x"):
        pass
    assert "left" not in capsys.readouterr().err
    assert last_time("build x") is not None
    (tmp_path / "durations.json").write_text('{"build x": 600}')
    with Task("[2 of 2] building x", "build x", expected=5):
        pass
    assert "building x ..., about 10 min left" in capsys.readouterr().err
    with Task("building y", "build y", expected=42):
        pass
    assert "about 42 s left" in capsys.readouterr().err


def test_a_task_that_failed_leaves_no_duration(tmp_path: Path) -> None:
    """Half a task says nothing about a whole one, and a damaged file nothing at all."""
    (tmp_path / "durations.json").write_text("{")
    with pytest.raises(KeyError), Task("building z"):
        raise KeyError
    assert last_time("building z") is None
    with Task("building z"):
        pass
    assert last_time("building z") is not None
