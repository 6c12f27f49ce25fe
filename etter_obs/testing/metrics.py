"""Reads metrics during a test, as a scrape does."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from etter_obs._internal.metrics.registry import living
from etter_obs._internal.metrics.render import render

Series = tuple[str, frozenset[tuple[str, str]]]

_SAMPLE: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
_LABEL: Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPE: Final = re.compile(r"\\(.)")


class MetricRecorder:
    """The metrics of the process, with their values at the start of the test."""

    def __init__(self) -> None:
        self._start = _read()

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the samples called ``name`` that have ``labels``; 0 if none has.

        Args:
            name: the sample's exposed name, such as ``etter_requests_total`` or
                ``etter_request_duration_seconds_count``.
            labels: labels that the samples must have.
        """
        return _total(_read(), name, labels)

    def increase(self, name: str, **labels: str) -> float:
        """Return the increase of ``value()`` since the test began."""
        return self.value(name, **labels) - _total(self._start, name, labels)

    def assert_increased(self, name: str, by: float = 1.0, **labels: str) -> None:
        """Assert that the samples called ``name`` with ``labels`` grew by exactly ``by``.

        Args:
            name: the sample's exposed name.
            by: the expected increase.
            labels: labels that the samples must have.

        Raises:
            AssertionError: the increase differs; the text contains all samples of that name.
        """
        __tracebackhide__ = True
        grown = self.increase(name, **labels)
        if grown != by:
            shown = "\n".join(
                f"{dict(sorted(held))} {value:g}"
                for (sample, held), value in sorted(_read().items(), key=lambda item: item[1])
                if sample == name
            )
            there = shown or "(no samples)"
            raise AssertionError(
                f"{name}{labels} grew by {grown:g}, not {by:g}; the samples are:\n{there}"
            )


def _read() -> Counter[Series]:
    samples: Counter[Series] = Counter()
    for registry in living():
        for piece in render(registry, openmetrics=False):
            for line in piece.splitlines():
                match = None if line.startswith("#") else _SAMPLE.fullmatch(line)
                if match is not None:
                    labels = frozenset(
                        (key, _ESCAPE.sub(_unescape, text))
                        for key, text in _LABEL.findall(match[2] or "")
                    )
                    samples[match[1], labels] += float(match[3])  # type: ignore[assignment]
    return samples


def _unescape(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def _total(samples: Counter[Series], name: str, labels: dict[str, str]) -> float:
    wanted = frozenset(labels.items())
    return float(
        sum(v for (sample, held), v in samples.items() if sample == name and wanted <= held)
    )
