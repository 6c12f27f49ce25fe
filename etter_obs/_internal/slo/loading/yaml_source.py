"""YAML with its places kept: each value knows the line and column at which it was written.

Scalars follow YAML 1.2: only ``true`` and ``false`` are booleans, so that ``alerting: off`` is the
word and not ``False``; a number with a point is an exact decimal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import yaml

_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER: Final = re.compile(r"^[-+]?[0-9]{1,15}$")
_FLOAT: Final = re.compile(r"^[-+]?(?:[0-9]{1,15}\.[0-9]{0,15}|\.[0-9]{1,15})$")
_MERGE: Final = "tag:yaml.org,2002:merge"
_MAX_NODES: Final = 200_000
_MAX_DEPTH: Final = 32

Scalar = str | int | bool | Decimal | None


@dataclass(slots=True)
class SourceNode:
    """A value and its place (line and column count from 1)."""

    value: Scalar | dict[str, SourceNode] | list[SourceNode]
    line: int
    column: int
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The place of each key of a mapping."""

    def get(self, key: str) -> SourceNode | None:
        """Return the value of ``key``; None where there is none, or this is no mapping."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def text(self, key: str) -> str:
        """Return the text of ``key``; ``""`` where there is none."""
        item = self.get(key)
        return item.value if item is not None and isinstance(item.value, str) else ""

    def plain(self) -> object:
        """Return the value without its places; a sequence becomes a tuple."""
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        if isinstance(self.value, list):
            return tuple(item.plain() for item in self.value)
        return self.value


class YamlError(ValueError):
    """The text is not YAML of the kind that is taken.

    Args:
        line: counts from 1.
        column: counts from 1.
        message: what is wrong.
    """

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.line, self.column, self.message = line, column, message


def parse(text: str) -> SourceNode:
    """Read one YAML document.

    Raises:
        YamlError: it cannot be read, has a key twice, a merge key or one that is no text, or is
            nested absurdly.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise YamlError(line, column, f"not YAML: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, max(error.position, 0)) + 1
        raise YamlError(line, 1, f"not YAML: {error.reason}") from None
    except RecursionError:
        raise YamlError(1, 1, f"nested deeper than {_MAX_DEPTH} levels") from None
    if root is None:
        raise YamlError(1, 1, "the file is empty")
    return _build(root, 0, iter(range(_MAX_NODES)))


def _build(node: yaml.Node, depth: int, budget: Iterator[int]) -> SourceNode:
    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    # An alias may repeat or even contain itself: both limits end that.
    if depth > _MAX_DEPTH:
        raise YamlError(line, column, f"nested deeper than {_MAX_DEPTH} levels")
    if next(budget, None) is None:
        raise YamlError(line, column, f"more than {_MAX_NODES} values")
    if isinstance(node, yaml.SequenceNode):
        return SourceNode([_build(item, depth + 1, budget) for item in node.value], line, column)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, depth, budget)
    return SourceNode(_scalar(node), line, column)


def _mapping(node: yaml.MappingNode, depth: int, budget: Iterator[int]) -> SourceNode:
    result = SourceNode({}, node.start_mark.line + 1, node.start_mark.column + 1)
    values: dict[str, SourceNode] = {}
    for key_node, value_node in node.value:
        line, column = key_node.start_mark.line + 1, key_node.start_mark.column + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise YamlError(line, column, "a key must be text")
        if key_node.tag == _MERGE:
            raise YamlError(
                line,
                column,
                "merge keys (<<) are not supported; use an alias (*name) of a whole value",
            )
        key = str(key_node.value)
        if key in values:
            raise YamlError(
                line, column, f"{key!r} appears twice; the first is in line {result.keys[key][0]}"
            )
        result.keys[key] = (line, column)
        values[key] = _build(value_node, depth + 1, budget)
    result.value = values
    return result


def _scalar(node: yaml.Node) -> Scalar:
    text = str(node.value)
    if getattr(node, "style", None) in ("'", '"', "|", ">"):
        return text
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text):
        return Decimal(text)
    return text
