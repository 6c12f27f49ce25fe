"""What the demo shows before the stack is built."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from demo.first_look import first_look
from tests.services import free_port
from tests.waiting import eventually


@pytest.mark.e2e
def test_the_backend_under_load_has_its_console_before_anything_is_built(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The printed link opens the console of a backend that requests already reach."""
    port = free_port()
    with first_look(tmp_path, port):
        said = capsys.readouterr().out
        found = re.search(r"first look after \d+ s: (\S+)", said)
        assert found, said
        with httpx.Client(follow_redirects=True, timeout=30) as browser:
            page = browser.get(found[1])
            assert page.status_code == 200
            assert "etter-obs console" in page.text
            eventually(
                lambda: (
                    'endpoint="/api/etter/' in browser.get(f"http://127.0.0.1:{port}/metrics").text
                ),
                deadline_s=60,
            )
