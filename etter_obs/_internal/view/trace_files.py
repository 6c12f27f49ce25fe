"""The traces that the collector writes to files, asked as Tempo would be.

Where no Tempo runs, the collector's file exporter writes one OTLP/JSON object a line. This reads
what was added since the last question, and keeps the newest spans in memory.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from etter_obs._internal.view.traceql import StoredSpan, parse

_MOST_SPANS: Final = 100_000
_MOST_A_READ: Final = 64 * 2**20
"""Bytes; of a longer file the end is read."""
_MOST_FILES: Final = 8
"""More than the collector keeps."""
_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUS: Final = ("unset", "ok", "error")


class TraceFiles:
    """The traces in a file of the collector, and in those that it was before its rotations.

    Args:
        path: The file that the collector writes to now.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._traces: OrderedDict[str, list[StoredSpan]] = OrderedDict()
        self._spans = 0
        self._offsets: dict[int, int] = {}  # by inode: how much of the file is read
        self._lock = threading.Lock()

    def search(self, query: str, start: int, end: int, limit: int) -> dict[str, Any]:
        """Return the newest traces with a span that meets a query, as Tempo's search does.

        Args:
            query: TraceQL; see ``traceql``.
            start: Seconds since 1970; the earliest span that counts.
            end: Seconds since 1970.
            limit: The most traces returned.

        Raises:
            TraceQLError: The query is not understood.
        """
        matches = parse(query)
        low, high = start * 10**9, end * 10**9
        with self._lock:
            self._read()
            found = [
                spans
                for spans in self._traces.values()
                if any(low <= span.start <= high and matches(span) for span in spans)
            ]
        newest = sorted(found, key=lambda spans: -_root(spans).start)[:limit]
        return {"traces": [_summary(spans) for spans in newest]}

    def trace(self, trace_id: str) -> list[Mapping[str, Any]]:
        """Return a trace as OTLP/JSON, one ``resourceSpans`` for each span; empty if unknown."""
        with self._lock:
            self._read()
            return [span.raw for span in self._traces.get(trace_id.lower(), ())]

    def _read(self) -> None:
        """Keep what the files have more than at the last question, the oldest file first."""
        rotated = sorted(self._path.parent.glob(f"{self._path.stem}-*{self._path.suffix}"))
        for path in (*rotated, self._path):
            try:
                file = path.open("rb")
            except FileNotFoundError:
                continue  # no span was written yet, or the collector has removed it just now
            with file:
                self._read_file(file)
        while len(self._offsets) > _MOST_FILES:
            del self._offsets[next(iter(self._offsets))]

    def _read_file(self, file: BinaryIO) -> None:
        status = os.fstat(file.fileno())  # a rotation renames the file, its inode stays
        offset = self._offsets.pop(status.st_ino, 0)
        if status.st_size < offset:  # another file, under the inode of a removed one
            offset = 0
        if status.st_size - offset > _MOST_A_READ:
            offset = status.st_size - _MOST_A_READ
            file.seek(offset)
            offset += len(file.readline())  # the end of a line
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                break  # the rest of it is not written yet
            offset += len(line)
            self._keep(line)
        self._offsets[status.st_ino] = offset
        while self._spans > _MOST_SPANS:
            _, dropped = self._traces.popitem(last=False)
            self._spans -= len(dropped)

    def _keep(self, line: bytes) -> None:
        try:
            batch = orjson.loads(line)
        except orjson.JSONDecodeError:
            return  # cut short by a crash
        for span in _spans(batch):
            self._traces.setdefault(span.trace_id, []).append(span)
            self._spans += 1


def _spans(batch: Mapping[str, Any]) -> Iterator[StoredSpan]:
    for resource in batch.get("resourceSpans", ()):
        common = _plain(resource.get("resource", {}).get("attributes", ()))
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                start = int(span["startTimeUnixNano"])
                yield StoredSpan(
                    trace_id=span["traceId"],
                    name=span.get("name", ""),
                    kind=_KINDS[span.get("kind", 0)],
                    status=_STATUS[span.get("status", {}).get("code", 0)],
                    start=start,
                    duration=int(span["endTimeUnixNano"]) - start,
                    root=not span.get("parentSpanId"),
                    attributes=_plain(span.get("attributes", ())),
                    resource=common,
                    raw={
                        "resource": resource.get("resource", {}),
                        "scopeSpans": [{"scope": scope.get("scope", {}), "spans": [span]}],
                    },
                )


def _plain(attributes: Any) -> dict[str, object]:
    return {one["key"]: _scalar(one.get("value", {})) for one in attributes}


def _scalar(value: Mapping[str, Any]) -> object:
    if "intValue" in value:
        return int(value["intValue"])  # a string in OTLP/JSON
    return next(iter(value.values()), None)


def _root(spans: list[StoredSpan]) -> StoredSpan:
    return next((span for span in spans if span.root), min(spans, key=lambda span: span.start))


def _summary(spans: list[StoredSpan]) -> dict[str, Any]:
    root = _root(spans)
    start = min(span.start for span in spans)
    end = max(span.start + span.duration for span in spans)
    return {
        "traceID": root.trace_id,
        "rootServiceName": str(root.resource.get("service.name", "")),
        "rootTraceName": root.name,
        "startTimeUnixNano": str(start),
        "durationMs": (end - start) // 10**6,
    }
