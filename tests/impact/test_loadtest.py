"""`make loadtest`: its users and its page; the backend is played by a server that says yes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from etter_obs._internal.slo.analysis.locust_run import read_run
from impact import loadtest
from tests.http_server import Call, http_server

ANSWER = json.dumps({"data": {"token": "a-token"}, "next_cursor": "here"}).encode()


def test_users_sign_in_and_send_the_mixture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real locust users send tokens and queries; routes are counted by template; gate reads it."""
    monkeypatch.setattr(loadtest, "_RAMP_SECONDS", 1)
    calls: list[Call] = []
    lock = threading.Lock()

    def answer(call: Call) -> tuple[int, bytes]:
        with lock:
            calls.append(call)
        return 200, ANSWER

    with http_server(answer) as url:
        loadtest.locust(url, 20, 12, tmp_path)
    asked = [call for call in calls if not call.path.startswith("/api/etter/auth")]
    sent = [call for call in asked if "page_size=500" not in call.path]
    assert {call.headers["authorization"] for call in sent} == {"Bearer a-token"}
    terms = [parse_qs(urlsplit(call.path).query) for call in sent if "/search" in call.path]
    assert all(term["q"] for term in terms)
    names = {entry.name for entry in read_run(tmp_path / "run").entries}
    assert not [name for name in names if any(digit in name for digit in "0123456789")]
    gate = [sys.executable, "-m", "etter_obs", "slo", "gate", str(tmp_path / "run")]
    judged = subprocess.run(
        [*gate, "--format", "json"], cwd=loadtest.ROOT, capture_output=True, text=True, check=False
    )
    assert judged.returncode == 1, judged.stderr  # 20 users are not 1,000
    text = loadtest.page(json.loads(judged.stdout), datetime.now(UTC), 20, 12)
    assert "missed: throughput, users" in text
    assert "| users | ≥ 1000 | 20 | **missed** |" in text
