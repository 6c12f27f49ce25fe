"""What one worker knows: answers to the questions of the page, redacted, as JSON.

The work runs in a thread, so that requests of the app go on meanwhile.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import orjson

from etter_obs._internal.console.history import EVERY_SECONDS, History
from etter_obs._internal.console.readings import MergedReadings
from etter_obs._internal.console.recording import CaughtException, Recording
from etter_obs._internal.console.ring import Ring
from etter_obs._internal.console.routes import count_routes, describe_routes
from etter_obs._internal.console.runtime import describe_runtime
from etter_obs._internal.console.slos import count, describe
from etter_obs._internal.conventions import log_fields

if TYPE_CHECKING:
    from etter_obs._internal.metrics.registry import MetricsRegistry
    from etter_obs._internal.redaction.redactor import Redactor
    from etter_obs._internal.slo.spec.models import Spec

_OPTIONS: Final = orjson.OPT_NON_STR_KEYS
_REQUEST_ID: Final = log_fields.REQUEST_ID
_MOST_LINES: Final = 500
"""Lines shown with a request."""


class Questions:
    """Answers for this worker.

    Args:
        spec: The SLOs.
        registry: The metrics.
        redactor: Removes secrets; log lines have none any more.
        recording: The newest requests and lines.
        history: The last hour.
        about: What to say about the service.
    """

    def __init__(
        self,
        spec: Spec,
        registry: MetricsRegistry,
        redactor: Redactor,
        recording: Recording,
        history: History,
        about: dict[str, Any],
    ) -> None:
        self._spec = spec
        self._registry = registry
        self._redact = redactor.text
        self._recording = recording
        self._history = history
        self._about = about
        self._questions: dict[str, Callable[..., dict[str, Any] | None]] = {
            "alive": dict,
            "overview": self._overview,
            "requests": self._requests,
            "request": self._request,
            "logs": self._logs,
        }

    def answer(self, question: str, arguments: dict[str, str]) -> bytes:
        """Return the answer as JSON: ``null`` if there is none."""
        return orjson.dumps(self._questions[question](**arguments), option=_OPTIONS)

    def _overview(self, after: str = "0") -> dict[str, Any]:
        """Return the state of the whole service: the metrics are those of all workers."""
        readings = MergedReadings(self._registry)
        history = self._history
        slos = history.slos_since(count(self._spec, readings, history.slices))
        routes = count_routes(readings)
        window, seconds = history.routes_since(routes)
        shown = []
        for slo in self._spec.slos:
            windows = dict(slos.get(slo.name, {}))
            held = history.slices.get(slo.name)
            since_start = windows.pop("", None)
            current = held.current if held else None
            shown.append(describe(slo, self._spec, since_start, windows, current))
        return self._about | {
            "since": history.first.at if history.first else time.time(),
            "now": time.time(),
            "every": EVERY_SECONDS,
            "slos": shown,
            "routes": describe_routes(routes, window, seconds),
            "window": seconds,
            "runtime": describe_runtime(readings),
            "history": history.columns(float(after)),
        }

    def _requests(self, after: str = "0") -> dict[str, Any]:
        """Return the requests that ended after a time, without their calls."""
        rows = {}
        for ring in (self._recording.notable, self._recording.requests):
            for at, number, data in ring.after(float(after)):
                row = orjson.loads(data)
                row["calls"] = len(row["calls"]) + row["dropped_calls"]
                rows[number] = self._shown(row, at, number)
        return {"rows": list(rows.values()), "seen": self._recording.requests.seen}

    def _request(self, number: str) -> dict[str, Any] | None:
        """Return one request with its calls, its lines and its exceptions; None if it is gone."""
        wanted = int(number)
        for ring in (self._recording.requests, self._recording.notable):
            for at, found, data in ring.newest_first():
                if found == wanted:
                    return self._whole(self._shown(orjson.loads(data), at, found))
        return None

    def _whole(self, row: dict[str, Any]) -> dict[str, Any]:
        calls = [
            {
                "kind": kind,
                "name": self._redact(name),
                "start_ms": start,
                "ms": took,
                "outcome": outcome,
                "failed": failed,
            }
            for kind, name, start, took, outcome, failed in row["calls"]
        ]
        exceptions = [
            self._exception(caught)
            for caught in list(self._recording.exceptions)
            if caught.request_id == row["request_id"]
        ]
        needle = f'"{_REQUEST_ID}":"{row["request_id"]}"'.encode()
        found = {
            number: orjson.loads(data)
            for ring in (self._recording.loud_lines, self._recording.lines)
            for _, number, data in ring.after(0)
            if needle in data
        }
        lines = [found[number] for number in sorted(found)][-_MOST_LINES:]
        return row | {"calls": calls, "exceptions": exceptions, "lines": lines}

    def _shown(self, row: dict[str, Any], at: float, number: int) -> dict[str, Any]:
        redact = self._redact
        row["request_id"] = redact(row.pop("id"))
        row["path"] = redact(row["path"])
        row["method"] = redact(row["method"])
        if row["repeated"]:
            statement, runs = row["repeated"]
            row["repeated"] = {"statement": redact(statement), "runs": runs}
        return row | {"key": f"{os.getpid()}.{number}", "ended": at}

    def _exception(self, caught: CaughtException) -> dict[str, Any]:
        trace = caught.traceback
        text = trace if isinstance(trace, str) or trace is None else "".join(trace.format())
        return {
            "at": caught.at,
            "type": caught.type,
            "traceback": None if text is None else self._redact(text.rstrip()),
        }

    def _logs(self, after: str = "0") -> dict[str, Any]:
        """Return the lines that were written after a time."""
        return {
            "rows": list(_parsed(self._recording.loud_lines, self._recording.lines, float(after))),
            "seen": self._recording.lines.seen,
        }


def _parsed(loud: Ring, every: Ring, after: float) -> Iterator[dict[str, Any]]:
    found = {number: (at, data) for ring in (loud, every) for at, number, data in ring.after(after)}
    for number in sorted(found):
        at, data = found[number]
        yield {"key": f"{os.getpid()}.{number}", "at": at, "line": orjson.loads(data)}
