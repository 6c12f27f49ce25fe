from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.logs.pipelines import Logged


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[Logged]:
    """An installed pipeline at level INFO that writes to a file."""
    with Logged(tmp_path / "log.jsonl") as pipeline:
        yield pipeline
