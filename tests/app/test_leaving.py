"""A client that leaves before its answer, under every server."""

from __future__ import annotations

import re
from contextlib import suppress

import httpx
import pytest

from tests.servers import running
from tests.waiting import eventually

_COUNTED = re.compile(r'etter_requests_total\{method="GET",endpoint="/slow",status="(\d+)"\} 1\b')


@pytest.mark.parametrize("server", ["uvicorn", "gunicorn", "hypercorn", "granian"])
def test_a_client_that_leaves_first_is_a_499_under_every_server(server: str) -> None:
    """The request is counted as 499, and one whose client stays as 200."""
    with running(server, "tests.app.leaving_app:app") as run:
        with suppress(httpx.ReadTimeout):
            run.get("/slow", timeout=0.2)
        counted = eventually(
            lambda: _COUNTED.findall(run.get("/metrics").text), deadline_s=20, tell=run.said
        )
        assert counted == ["499"]
        assert run.get("/slow").text == '"too late"'
        eventually(
            lambda: sorted(_COUNTED.findall(run.get("/metrics").text)) == ["200", "499"],
            deadline_s=20,
            tell=run.said,
        )
