"""A generator that is killed leaves no torn file."""

from __future__ import annotations

import itertools
import multiprocessing
import random
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from etter_obs._internal.generate.plan import Change, plan
from etter_obs._internal.generate.writer import write
from etter_obs._internal.slo.loading.loader import SpecError, load_specs, parse_specs
from tests.slo.specs import SHIPPED

fork = multiprocessing.get_context("fork")


def write_for_ever(root: Path, begun: Event) -> None:
    """Write two hundred files again and again, all of them b, then all of them a."""
    begun.set()
    for version in itertools.cycle("ba"):
        write(root, [Change(f"folder/{i}.yml", version * 20_000, "differs") for i in range(200)])


def names(folder: Path) -> set[str]:
    """Return the names in a folder, hidden ones too."""
    return {entry.name for entry in folder.iterdir()}


def test_a_killed_run_leaves_every_file_whole(tmp_path: Path) -> None:
    """At whatever moment kill -9 comes, each file is wholly old or new, and the next run cleans."""
    chance = random.Random(7)
    write(tmp_path, [Change(f"folder/{i}.yml", "a" * 20_000, "missing") for i in range(200)])
    whole = {"a" * 20_000, "b" * 20_000}
    torn_apart = 0
    for _ in range(30):
        begun = fork.Event()
        process = fork.Process(target=write_for_ever, args=(tmp_path, begun))
        process.start()
        assert begun.wait(30)
        time.sleep(chance.uniform(0.0, 0.15))  # when the kill comes is what is varied
        process.kill()
        process.join()
        contents = {file.read_text() for file in (tmp_path / "folder").glob("*.yml")}
        assert contents <= whole
        assert len(list((tmp_path / "folder").glob("*.yml"))) == 200
        left = [name for name in names(tmp_path / "folder") if name.startswith(".")]
        torn_apart += bool(left) or len(contents) == 2
    assert torn_apart, "no kill ever came in the middle: the test proves nothing"
    write(tmp_path, [Change("folder/0.yml", "c", "differs")])
    assert names(tmp_path / "folder") == {f"{i}.yml" for i in range(200)}


def test_a_failure_before_the_end_changes_nothing(tmp_path: Path) -> None:
    """When one file cannot be staged, no file has changed and nothing is left over."""
    write(tmp_path, [Change("a.yml", "old", "missing")])
    with pytest.raises(OSError, match="too long"):
        write(tmp_path, [Change("a.yml", "new", "differs"), Change("x" * 300, "y", "missing")])
    assert (tmp_path / "a.yml").read_text() == "old"
    assert names(tmp_path) == {"a.yml"}


def test_a_wrong_spec_writes_nothing(tmp_path: Path) -> None:
    """Everything is made before the first file is touched: an error leaves the folder as it was."""
    write(tmp_path, plan(load_specs(SHIPPED)).changes(tmp_path))
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(SpecError):
        plan(parse_specs(SHIPPED.read_text().replace("99.9%", "100%"), "slo.yaml"))
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before


def test_what_has_not_changed_is_not_written(tmp_path: Path) -> None:
    """A second run touches no file, so that nothing reloads without need."""
    everything = plan(load_specs(SHIPPED))
    write(tmp_path, everything.changes(tmp_path))
    assert everything.changes(tmp_path) == []
