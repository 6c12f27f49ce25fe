"""Makes wrong rules out of right ones, each by one small slip that a person might make."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Rule = dict[str, Any]

_STRING = r'"(?:[^"\\]|\\.)*"'
_MATCHER = re.compile(rf"(\w+)(=~|!~|!=|=)({_STRING})(,?)")
_COMPARISON = re.compile(rf"{_STRING}|\{{[^}}]*\}}|(?<![=!~<>])(>=|<=|==|!=|>|<)(?![=~])")
_RANGE = re.compile(r"\[(\d+)(ms|s|m|h|d)(?::\w+)?\]")
_WINDOW_IN_NAME = re.compile(r"(?<=ratio_)(\d+[smhd])")
_NUMBER = re.compile(rf"{_STRING}|\{{[^}}]*\}}|\[[^\]]*\]|(?<![\w.:])(\d+(?:\.\d+)?)(?![\w.:])")
_NEIGHBOUR = {
    "5m": "30m",
    "30m": "5m",
    "1h": "6h",
    "2h": "1d",
    "6h": "2h",
    "1d": "3d",
    "3d": "1d",
    "30d": "3d",
}
_OPPOSITE = {">": "<", "<": ">", ">=": "<", "<=": ">", "==": "!=", "!=": "=="}
_NEGATED = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}


@dataclass(frozen=True)
class Mutant:
    """One wrong rule in place of the right one; ``slip`` says what was done to it."""

    slo: str
    rule: str
    kind: str
    slip: str
    wrong: Rule


def mutants(slo: str, rule: Rule) -> Iterator[Mutant]:
    """Yield every mutant of a rule, none twice."""
    name = str(rule.get("record") or rule.get("alert"))
    seen = {rule["expr"]}
    for kind, slip, expr in _expressions(rule["expr"]):
        if expr not in seen:
            seen.add(expr)
            yield Mutant(slo, name, kind, slip, {**rule, "expr": expr})
    for label, value in rule.get("labels", {}).items():
        wrong = {**rule, "labels": {**rule["labels"], label: "other"}}
        yield Mutant(slo, name, "label", f"{label}: {value} → other", wrong)
    if "for" in rule:
        without = {key: value for key, value in rule.items() if key != "for"}
        yield Mutant(slo, name, "window", f"no for: {rule['for']}", without)
        yield Mutant(slo, name, "window", f"for: {rule['for']} → 1h", {**rule, "for": "1h"})


def _expressions(expr: str) -> Iterator[tuple[str, str, str]]:
    yield from _clauses(expr)
    for match in _COMPARISON.finditer(expr):
        if match[1]:
            yield "comparison", *_replaced(expr, match, 1, _OPPOSITE[match[1]])
            if match[1] in (">=", "<="):
                yield "comparison", *_replaced(expr, match, 1, match[1][0])
    # What is multiplied by 0 counts only by being there: another number or window is no mistake.
    nothing = [
        range(found.start(), _operand_after(expr, found.end()))
        for found in re.finditer(r"(?<![\w.])0 \* ", expr)
    ]
    for match in _RANGE.finditer(expr):
        if not any(match.start() in part for part in nothing):
            yield "window", *_replaced(expr, match, 1, str(int(match[1]) * 2))
    for match in _WINDOW_IN_NAME.finditer(expr):
        yield "window", *_replaced(expr, match, 1, _NEIGHBOUR[match[1]])
    for match in _NUMBER.finditer(expr):
        if match[1] and float(match[1]) and not any(match.start() in part for part in nothing):
            for factor in (1.5, 1 / 1.5):
                yield "factor", *_replaced(expr, match, 1, f"{float(match[1]) * factor:g}")
    for match in _MATCHER.finditer(expr):
        yield "label", *_replaced(expr, match, 3, '"other"')
        # In a selector of recordings the other side of the operator would have the label still.
        if "slo:" not in expr:
            yield "label", *_replaced(expr, match, 2, _NEGATED[match[2]])
            yield "label", f"without {match[0]}", expr[: match.start()] + expr[match.end() :]


def _clauses(expr: str) -> Iterator[tuple[str, str, str]]:
    """Drop one side of `and`, `or`, `unless` or `-`; drop a filter `> 0` and a clamp."""
    parts = expr.split("\nand\n")
    for index in range(len(parts) if len(parts) > 1 else 0):
        kept = "\nand\n".join(parts[:index] + parts[index + 1 :])
        yield "clause", f"without: {parts[index]}", kept
    for word in (" or ", " unless on (instance) ", " - ", " + "):
        for at in (found.start() for found in re.finditer(re.escape(word), expr)):
            start, end = _operand_before(expr, at), _operand_after(expr, at + len(word))
            for dropped, kept in (
                (expr[at:end], expr[:at] + expr[end:]),
                (expr[start : at + len(word)], expr[:start] + expr[at + len(word) :]),
            ):
                yield "clause", f"without: {dropped.strip()}", kept
    for match in re.finditer(r"\((sum_over_time\([^()]*\)|\w[^()]*) > 0\)", expr):
        yield "clause", "without > 0", expr.replace(match[0], f"({match[1]})", 1)
    if clamped := re.fullmatch(r"clamp_min\((.*), 0\)(.*)", expr):
        yield "clause", "without clamp_min", f"({clamped[1]}){clamped[2]}"


def _operand_after(expr: str, at: int) -> int:
    """The end of the operand that begins at ``at``: to the bracket or comma that closes it."""
    depth = 0
    for index in range(at, len(expr)):
        depth += (expr[index] in "([{") - (expr[index] in ")]}")
        if depth < 0 or (depth == 0 and expr[index] == ","):
            return index
    return len(expr)


def _operand_before(expr: str, at: int) -> int:
    """The start of the operand that ends at ``at``."""
    depth = 0
    for index in range(at - 1, -1, -1):
        depth += (expr[index] in ")]}") - (expr[index] in "([{")
        if depth < 0:
            return index + 1
    return 0


def _replaced(expr: str, match: re.Match[str], group: int, text: str) -> tuple[str, str]:
    start, end = match.span(group)
    context = expr[max(0, start - 12) : start].split("\n")[-1]
    return f"{context}{match[group]} → {text}", expr[:start] + text + expr[end:]
