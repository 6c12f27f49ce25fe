"""A dashboard's JSON, read back: what the linter and the tests look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PanelView:
    """One panel of a dashboard; ``loads`` tells whether it asks before anybody opens its row."""

    raw: Json
    loads: bool = True

    @property
    def title(self) -> str:
        """Its title, or its number where it has none."""
        return str(self.raw.get("title") or f"panel {self.raw.get('id', '?')}")

    @property
    def kind(self) -> str:
        """Grafana's name for its type, e.g. ``timeseries``."""
        return str(self.raw.get("type", ""))

    @property
    def targets(self) -> list[Json]:
        """Its queries."""
        return list(self.raw.get("targets") or ())

    @property
    def defaults(self) -> Json:
        """The settings that hold for all its fields."""
        return dict(self.raw.get("fieldConfig", {}).get("defaults", {}))

    @property
    def overrides(self) -> Iterator[tuple[str, object]]:
        """Name and value of every setting of single fields."""
        for override in self.raw.get("fieldConfig", {}).get("overrides", ()):
            for one in override.get("properties", ()):
                yield one["id"], one.get("value")

    @property
    def steps(self) -> list[Json]:
        """Threshold steps, the panel's and its fields'."""
        found = list(self.defaults.get("thresholds", {}).get("steps") or ())
        for name, value in self.overrides:
            if name == "thresholds" and isinstance(value, Mapping):
                found += value.get("steps") or ()
        return found


@dataclass(frozen=True, slots=True)
class BoardView:
    """A whole dashboard and the file that it came from."""

    path: str
    raw: Json

    @property
    def title(self) -> str:
        """Its title."""
        return str(self.raw.get("title", ""))

    @property
    def panels(self) -> Iterator[PanelView]:
        """Every panel that shows something, those in collapsed rows too."""
        for panel in self.raw.get("panels") or ():
            if panel.get("type") != "row":
                yield PanelView(panel)
            else:
                yield from (PanelView(inner, loads=False) for inner in panel.get("panels") or ())

    @property
    def rows(self) -> Iterator[PanelView]:
        """Every row's title bar."""
        for panel in self.raw.get("panels") or ():
            if panel.get("type") == "row":
                yield PanelView(panel)

    @property
    def variables(self) -> dict[str, Json]:
        """Its variables by name."""
        return {one["name"]: one for one in self.raw.get("templating", {}).get("list") or ()}

    @property
    def annotations(self) -> list[Json]:
        """Its annotation queries."""
        return list(self.raw.get("annotations", {}).get("list") or ())


def source_of(panel: PanelView, target: Json) -> str:
    """Type of the data source that a query asks: its own, else its panel's."""
    for holder in (target, panel.raw):
        reference = holder.get("datasource") or {}
        if reference.get("type"):
            return str(reference["type"])
    return ""


def expression_of(target: Json) -> str:
    """The query's text: PromQL, LogQL or TraceQL."""
    return str(target.get("expr") or target.get("query") or "")
