"""The request tests, on the lowest versions allowed and where FastAPI's routing was rebuilt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest

from tests.wheel import ROOT, allowed, installed_in, pythons, run

APP = ("requests", "probes", "decorators", "string_annotations")
TESTS = [f"tests/app/test_{name}.py" for name in APP]
TOOLS = (
    "httpx>=0.26",
    "prometheus-client>=0.20",
    "pytest>=8.3",
    "pytest-asyncio>=0.24",
    "pytest-timeout>=2.3",
)


@pytest.mark.parametrize(
    ("fastapi", "resolution"),
    [
        ("fastapi==0.109.0", "lowest-direct"),
        ("fastapi==0.123.*", "highest"),
        ("fastapi==0.136.*", "highest"),
        ("fastapi==0.137.*", "highest"),
    ],
)
def test_requests_are_counted_alike_on_every_fastapi(
    fastapi: str, resolution: Literal["highest", "lowest-direct"], tmp_path: Path
) -> None:
    """What these files prove for the newest FastAPI holds for this one."""
    python = installed_in(
        tmp_path, *allowed(), *TOOLS, fastapi, python=pythons()[0], resolution=resolution
    )
    tests = ["-m", "pytest", "-q", "--noconftest", "-p", "no:etter_obs", *TESTS]
    said = run(python, *tests, cwd=ROOT, expect=None, PYTHONPATH=str(ROOT))
    assert re.search(r"\d\d passed", said), said[-4000:]
    assert "failed" not in said, said[-4000:]
