"""Grafana's own model of a dashboard, as its Foundation SDK publishes it, against ours."""

from __future__ import annotations

import copy
import enum
import json
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as models

from etter_obs._internal.conventions import Dashboard
from etter_obs._internal.dashboards.lint.model import BoardView, Json


@pytest.fixture(scope="module", autouse=True)
def panels_known() -> None:
    """The options of every kind of panel, and the queries of every data source, have models."""
    register_default_plugins()


@pytest.fixture(params=list(Dashboard))
def board(request: pytest.FixtureRequest, boards: list[BoardView]) -> Json:
    """One dashboard's JSON after another."""
    found = next(board.raw for board in boards if board.raw["uid"] == request.param)
    return copy.deepcopy(found)


def test_the_model_knows_every_key(board: Json) -> None:
    """Grafana's model reads every key of every dashboard and writes the same JSON again."""
    assert _pruned(_written(models.Dashboard.from_json(board))) == _pruned(board)


def test_every_value_is_of_the_models_type(board: Json) -> None:
    """Each number, text, flag and choice is one that Grafana's model has in its place."""
    assert list(misfits(models.Dashboard.from_json(board), models.Dashboard, "")) == []


def test_what_the_model_does_not_know_is_found(board: Json) -> None:
    """A misspelt option, a value that is not a choice and a text in place of a number are found."""
    panel = next(panel for panel in board["panels"] if panel["type"] == "timeseries")
    panel["options"]["legend"]["displayMod"] = "list"
    assert _pruned(_written(models.Dashboard.from_json(board))) != _pruned(board)
    panel["options"]["legend"]["placement"] = "underneath"
    panel["fieldConfig"]["defaults"]["custom"]["lineWidth"] = "wide"
    loaded = models.Dashboard.from_json(board)
    found = {misfit.rpartition(".")[2] for misfit in misfits(loaded, models.Dashboard, "")}
    assert found == {"placement: 'underneath'", "line_width: 'wide'"}


def misfits(value: Any, hint: Any, where: str) -> Iterator[str]:
    """Every place below ``value`` that holds what the model's type for it does not allow."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hasattr(value, "from_json"):  # which options a panel has depends on its kind
        for name, of_part in typing.get_type_hints(type(value)).items():
            yield from misfits(getattr(value, name), of_part, f"{where}.{name}")
    elif origin in (typing.Union, types.UnionType):
        likely = [one for one in inner if (one is types.NoneType) == (value is None)] or inner
        yield from min((list(misfits(value, one, where)) for one in likely), key=len)
    elif origin is list and isinstance(value, list):
        for index, one in enumerate(value):
            yield from misfits(one, inner[0], f"{where}[{index}]")
    elif origin is dict and isinstance(value, dict):
        for key, one in value.items():
            yield from misfits(one, inner[1], f"{where}.{key}")
    elif hasattr(hint, "from_json") and isinstance(value, dict):  # left as it was read
        yield from misfits(hint.from_json(value), hint, where)
    elif not _fits(value, hint):
        yield f"{where}: {value!r}"


def _fits(value: object, hint: Any) -> bool:
    if hint is None or hint is types.NoneType:
        return value is None
    if typing.get_origin(hint) is typing.Literal:
        return value in typing.get_args(hint)
    if hint in (int, float):
        return isinstance(value, int | hint) and not isinstance(value, bool)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return value in list(hint)
    return not isinstance(hint, type) or isinstance(value, hint)


def _written(dashboard: models.Dashboard) -> Any:
    return json.loads(json.dumps(dashboard, cls=JSONEncoder))


def _pruned(value: Any) -> Any:
    """Drop the menu placement that the model adds by itself, and what is empty by default."""
    if isinstance(value, dict):
        return {
            k: _pruned(v)
            for k, v in value.items()
            if (k, v) != ("placement", "inControlsMenu") and v not in ("", [], None)
        }
    return [_pruned(item) for item in value] if isinstance(value, list) else value
