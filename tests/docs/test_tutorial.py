"""The tutorial's commands do what the page says, from the wheel alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stack.build import binary
from tests.servers import running
from tests.wheel import ROOT, installed_in, run

PAGE = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")


def block(language: str, containing: str) -> str:
    """Return the page's code block of a language that contains a text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    (found,) = [text for text in blocks if containing in text]
    return str(found)


@pytest.mark.slow
def test_the_tutorial_leads_from_an_empty_folder_to_an_alert_rule(
    wheel: Path, tmp_path: Path
) -> None:
    """Every step, in its order, with the results that the page shows."""
    folder, environment = tmp_path / "shop", tmp_path / "environment"
    folder.mkdir()
    environment.mkdir()
    python = installed_in(environment, f"{wheel}[all]", "fastapi", "uvicorn")
    command = python.parent / "etter-obs"
    (folder / "main.py").write_text(block("python", "setup_observability"), encoding="utf-8")
    run(command, "init", "--service", "shop", cwd=folder)
    spec = folder / "etter-obs/slo.yaml"
    settings = {"ETTER_OBS_SLO_FILE": str(spec.relative_to(folder))}

    with running("uvicorn", "main:app", python=python, cwd=folder, environment=settings) as app:
        answer = app.get("/orders/7")
        assert answer.headers.keys() >= {"x-request-id", "x-response-time"}
        assert app.get("/orders/13").status_code == 500
        assert app.get("/health/ready").status_code == 200
        for line in block("text", "etter_requests_total").splitlines():
            assert line in app.get("/metrics").text

    text = spec.read_text(encoding="utf-8")
    entry = block("yaml", "- name: orders-latency")
    spec.write_text(text.replace("slos:\n", f"slos:\n{entry}\n"), encoding="utf-8")
    run(command, "generate", "--check", cwd=folder, expect=1)
    assert "8.64 min" in run(command, "slo", "check", cwd=folder, COLUMNS="200")
    run(command, "generate", cwd=folder)
    rule = (folder / "etter-obs/alerts/rules/shop.orders-latency.yml").read_text(encoding="utf-8")
    assert rule.startswith(block("yaml", "alert: SLOBurnRatePage1h"))

    with running("uvicorn", "main:app", python=python, cwd=folder, environment=settings) as app:
        app.get("/orders/7")
        buckets = r'request_duration_seconds_bucket.*orders.*le="0.3"'
        assert re.search(buckets, app.get("/metrics").text)

    tools = [f"--{name}={binary(name)}" for name in ("promtool", "amtool")]
    run(command, "check", "--require", "--no-tests", *tools, cwd=folder)
    outage = ["--slo", "orders-latency", "--for", "30m", "--traffic", "5/s", tools[0]]
    said = run(command, "slo", "simulate", *outage, "--error-rate", "50%", cwd=folder)
    assert re.search(r"SLOBurnRatePage1h.*17m30s.*2\.0%.*34m", said), said
    said = run(command, "slo", "simulate", *outage, "--error-rate", "20%", cwd=folder)
    assert "page " not in said
