"""The examples of the README work unchanged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


async def test_the_code_in_the_readme_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Python, pasted block after block into one module, observes an app."""
    monkeypatch.delenv("ETTER_OBS_SLO_FILE", raising=False)
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, Any] = {"__name__": "main"}
    exec(compile("\n".join(blocks), "README.md", "exec"), names)
    try:
        assert await names["companies"]("acme") == []
    finally:
        names["obs"].shutdown()


def test_every_link_of_the_readme_leads_somewhere() -> None:
    """No page or picture that it names is missing."""
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README)
    assert len(targets) > 10
    assert [name for name in targets if not (Path(__file__).parents[1] / name).exists()] == []
