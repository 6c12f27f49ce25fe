"""What the viewer shows of a project: its dashboards, its runbooks, the links between sources."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

_ORDER: Final = ("slo-overview", "slo-detail", "service")
"""The dashboards that come first; the others follow by name."""
_SHIFT: Final = re.compile(r"(\d+)m")


@dataclass(frozen=True, slots=True)
class Project:
    """The files of one project that the viewer reads."""

    root: Path

    def boards(self) -> dict[str, Path]:
        """Return the file of each dashboard by its uid, in the order of the navigation."""
        files = sorted((self.root / "grafana" / "dashboards").glob("*.json"), key=_place)
        return {_read(path)["uid"]: path for path in files}

    def board(self, uid: str) -> bytes | None:
        """Return a dashboard's JSON; None where there is none of that uid."""
        path = self.boards().get(uid)
        return path.read_bytes() if path else None

    def titles(self) -> list[dict[str, str]]:
        """Return uid and title of each dashboard."""
        return [{"uid": uid, "title": _read(path)["title"]} for uid, path in self.boards().items()]

    def runbooks(self) -> dict[str, Path]:
        """Return each runbook by the name of its alert."""
        return {path.stem: path for path in (self.root / "alerts" / "runbooks").glob("*.md")}

    def links(self) -> dict[str, Any]:
        """Return the links between the sources, as Grafana's provisioning has them.

        In that file, ``$$`` means ``$``.
        """
        path = self.root / "grafana" / "provisioning" / "datasources" / "stack.yaml"
        text = path.read_text(encoding="utf-8").replace("$$", "$")
        sources = yaml.safe_load(text)["datasources"]
        settings = {one["uid"]: one.get("jsonData", {}) for one in sources}
        logs, metrics = settings["tempo"]["tracesToLogsV2"], settings["tempo"]["tracesToMetrics"]
        return {
            "exemplarLabel": settings["prometheus"]["exemplarTraceIdDestinations"][0]["name"],
            "logs": _link(logs) | {"query": logs["query"]},
            "metrics": _link(metrics) | {"queries": metrics["queries"]},
        }


def _link(link: dict[str, Any]) -> dict[str, Any]:
    shift = _SHIFT.search(link["spanEndTimeShift"])
    return {"tags": link["tags"], "shift": 60 * int(shift[1]) if shift else 0}


def _place(path: Path) -> tuple[int, str]:
    return (_ORDER.index(path.stem) if path.stem in _ORDER else len(_ORDER), path.stem)


def _read(path: Path) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return raw
