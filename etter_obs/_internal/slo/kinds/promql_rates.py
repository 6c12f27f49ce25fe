"""Series that make a user's PromQL return given rates, for the generated rule tests.

The module solves only sums and differences of rates: ``sum by (endpoint) (rate(a{…}[$interval])) -
sum(rate(b{…}[$interval]))``. Other shapes return no series.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Final

from etter_obs._internal.slo.kinds.timeline import Share
from etter_obs._internal.slo.spec import user_promql
from etter_obs._internal.text.promql import equals, series

_SHARES: Final[dict[Share, tuple[int, int]]] = {"bad": (1, 0), "all": (0, 1), "good": (-1, 1)}
"""Each share of the events as ``x * bad + y * all``."""
_MAX_CANDIDATES: Final = 512
_GROUP: Final = "a"
"""Value of a label that only groups: equal in all series, so that both sides match."""
_TOKEN: Final = re.compile(r"[A-Za-z_:][\w:]*|=~|!~|!=|\S")
_NO_BAD_YET: Final = re.compile(r" ?or vector ?\( ?0 ?\)$")
_NAME: Final = re.compile(r"[A-Za-z_:]")


@dataclass(frozen=True, slots=True)
class _Matcher:
    label: str
    operator: str
    value: str

    def accepts(self, value: str) -> bool:
        """Return whether the label may hold ``value``; a missing label holds the empty string."""
        if self.operator in ("=", "!="):
            return (value == self.value) is (self.operator == "=")
        return bool(re.fullmatch(self.value, value)) is (self.operator == "=~")

    def values(self) -> Iterator[str]:
        """Yield values, at least one accepted and one rejected if possible."""
        yield ""
        if "~" not in self.operator:
            yield from (self.value, f"not-{self.value}")
            return
        for alternative in self.value.strip("^$()").split("|"):
            yield re.sub(r"\.[*+]?|\[[^\]]*\][*+]?|\\d[*+]?", "5", alternative)
        yield "neither"


@dataclass(frozen=True, slots=True)
class _Term:
    sign: int
    metric: str
    matchers: tuple[_Matcher, ...]

    def counts(self, metric: str, labels: dict[str, str]) -> bool:
        return metric == self.metric and all(
            matcher.accepts(labels.get(matcher.label, "")) for matcher in self.matchers
        )


def solved(bad: str, total: str, own: Sequence[str]) -> dict[str, Share]:
    """Return selectors of series and the share of the events that each must count.

    With these series ``bad`` returns the rate of bad events and ``total`` the rate of all.

    Args:
        bad: PromQL from slo.yaml, with its placeholders.
        total: the same for all events.
        own: matchers that replace ``$selector``; every series has them.

    Returns:
        One series per rate in the sums; none if the PromQL has an unsolvable shape.
    """
    try:
        # No series of bad events means zero bad events. No series of events means missing data.
        sides = [_Parser(_NO_BAD_YET.sub("", bad)), _Parser(total)]
        terms = [side.terms() for side in sides]
        groups = {label for side in sides for label in side.groups}
        named = {matcher.label for side in terms for term in side for matcher in term.matchers}
        if named & {matcher.partition("=")[0] for matcher in own}:
            return {}  # the series of another job, which a test of this service cannot play
        candidates = _candidates([*terms[0], *terms[1]], groups)
    except (_Unsolvable, re.error):
        return {}
    found: dict[_Effect, _Series] = {}
    for candidate in candidates:
        found.setdefault(_effect(candidate, *terms), candidate)
    for (first, one), (second, other) in product(found.items(), repeat=2):
        for share, rest in product(_SHARES, repeat=2):
            if _adds_up(first, share, second, rest):
                # A sum is absent if one of its parts is absent.
                silent = (
                    next(each for each in candidates if term.counts(*each))
                    for term in (*terms[0], *terms[1])
                    if not (term.counts(*one) or term.counts(*other))
                )
                played: list[tuple[_Series, Share]] = [(one, share), (other, rest)]
                played += [(each, "none") for each in silent]
                return {_selector(own, *each): part for each, part in played}
    return {}


_Series = tuple[str, dict[str, str]]
_Effect = tuple[int, int]
"""How many times a series counts in bad and in total."""


def _candidates(terms: Sequence[_Term], groups: Iterable[str]) -> list[_Series]:
    """Return series with every combination of labels that matters to a term."""
    values: dict[str, dict[str, None]] = {}
    for matcher in (matcher for term in terms for matcher in term.matchers):
        values.setdefault(matcher.label, {}).update(dict.fromkeys(matcher.values()))
    for label in groups:
        values.setdefault(label, {_GROUP: None})
    metrics = dict.fromkeys(term.metric for term in terms)
    if len(metrics) * prod(map(len, values.values())) > _MAX_CANDIDATES:
        raise _Unsolvable
    found = [
        (metric, {label: value for label, value in zip(values, chosen, strict=True) if value})
        for metric, *chosen in product(metrics, *values.values())
    ]
    if not all(any(term.counts(*each) for each in found) for term in terms):
        raise _Unsolvable
    return found


def _effect(candidate: _Series, bad: Sequence[_Term], total: Sequence[_Term]) -> _Effect:
    """Return how many times the series counts in bad and in total."""
    in_bad, in_total = (
        sum(term.sign for term in side if term.counts(*candidate)) for side in (bad, total)
    )
    return in_bad, in_total


def _adds_up(first: _Effect, share: Share, second: _Effect, rest: Share) -> bool:
    if first == second:
        return False
    return all(
        tuple(
            first[side] * a + second[side] * b
            for a, b in zip(_SHARES[share], _SHARES[rest], strict=True)
        )
        == wanted
        for side, wanted in enumerate((_SHARES["bad"], _SHARES["all"]))
    )


def _selector(own: Sequence[str], metric: str, labels: dict[str, str]) -> str:
    return series(metric, [*own, *(equals(label, value) for label, value in labels.items())])


class _Unsolvable(Exception):  # noqa: N818  # it never leaves this module
    """The PromQL contains more than sums and differences of rates."""


class _Parser:
    """Parses one side; ``groups`` holds the labels of its groupings."""

    def __init__(self, line: str) -> None:
        self._tokens = [*_tokens(line), ""]
        self._at = 0
        self.groups: set[str] = set()

    def terms(self) -> list[_Term]:
        """Return the rates in the sum.

        Raises:
            _Unsolvable: the side is more than a sum of rates.
        """
        found = list(self._sum(1))
        if self._next() != "":
            raise _Unsolvable
        return found

    def _next(self) -> str:
        word = self._tokens[self._at]
        self._at += 1
        return word

    def _peek(self) -> str:
        return self._tokens[self._at]

    def _expect(self, word: str) -> None:
        if self._next() != word:
            raise _Unsolvable

    def _sum(self, sign: int) -> Iterator[_Term]:
        yield from self._operand(sign)
        while self._peek() in ("+", "-"):
            yield from self._operand(sign if self._next() == "+" else -sign)

    def _operand(self, sign: int) -> Iterator[_Term]:
        word = self._next()
        if word == "rate":
            self._expect("(")
            yield self._selected(sign)
            self._expect("[$interval]")
            self._expect(")")
            return
        if word == "sum":
            self._grouping()
            word = self._next()
        if word != "(":
            raise _Unsolvable
        yield from self._sum(sign)
        self._expect(")")
        self._grouping()

    def _grouping(self) -> None:
        if self._peek() not in ("by", "without"):
            return
        by = self._next() == "by"
        self._expect("(")
        while (word := self._next()) != ")":
            if not word:
                raise _Unsolvable
            if by and word != ",":
                self.groups.add(word)

    def _selected(self, sign: int) -> _Term:
        metric = self._next()
        if not _NAME.match(metric):
            raise _Unsolvable
        self._expect("{")
        matchers: list[_Matcher] = []
        while (word := self._next()) != "}":
            if word in (",", "$selector"):
                continue
            operator, value = self._next(), self._next()
            if operator not in ("=", "!=", "=~", "!~") or value[:1] not in ('"', "'", "`"):
                raise _Unsolvable
            matchers.append(_Matcher(word, operator, _unquoted(value)))
        return _Term(sign, metric, tuple(matchers))


def _tokens(line: str) -> Iterator[str]:
    for kind, part in user_promql.parts(line):
        if kind == "interval":
            yield "[$interval]"
        elif kind == "other":
            yield from _TOKEN.findall(part)
        elif kind != "blank":
            yield part


def _unquoted(literal: str) -> str:
    if literal[0] == "`":
        return literal[1:-1]
    try:
        return str(ast.literal_eval(literal))
    except (SyntaxError, ValueError):
        raise _Unsolvable from None
