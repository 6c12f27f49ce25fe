"""Writes samples of the past into an engine by remote write 1.0, which all of them take.

The format is small: a snappy block (literals alone are valid) of a protobuf message
``WriteRequest{timeseries{labels{name,value},samples{value,timestamp}}}``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import httpx

from etter_obs._internal.otlp.wire import block, varint

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
"""The NaN that marks the end of a series."""
_BATCH = 5000
_LITERAL = 60 << 2
_FIRST, _SECOND = b"\x0a", b"\x12"  # length-delimited fields


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample: all labels including ``__name__``, Unix time in seconds, value."""

    labels: tuple[tuple[str, str], ...]
    at: float
    value: float


def write(url: str, samples: Iterable[Sample], headers: Mapping[str, str] | None = None) -> int:
    """Send ``samples``, oldest first, in batches; return how many were sent."""
    sent, iterator = 0, iter(sorted(samples, key=lambda sample: sample.at))
    with httpx.Client(timeout=60) as client:
        while batch := list(islice(iterator, _BATCH)):
            answer = client.post(
                url,
                content=_snappy(b"".join(map(_series, batch))),
                headers={
                    "Content-Encoding": "snappy",
                    "Content-Type": "application/x-protobuf",
                    "X-Prometheus-Remote-Write-Version": "0.1.0",
                    **(headers or {}),
                },
            )
            assert answer.is_success, f"{url}: {answer.status_code} {answer.text[:500]}"
            sent += len(batch)
    return sent


@lru_cache(maxsize=100_000)
def _labels(labels: tuple[tuple[str, str], ...]) -> bytes:
    return b"".join(
        block(_FIRST, block(_FIRST, name.encode()) + block(_SECOND, value.encode()))
        for name, value in sorted(labels)
    )


def _series(sample: Sample) -> bytes:
    point = b"\x09" + struct.pack("<d", sample.value) + b"\x10" + varint(round(sample.at * 1000))
    return block(_FIRST, _labels(sample.labels) + block(_SECOND, point))


def _snappy(raw: bytes) -> bytes:
    return varint(len(raw)) + b"".join(_literals(raw))


def _literals(raw: bytes) -> Iterator[bytes]:
    for start in range(0, len(raw), 256):
        part = raw[start : start + 256]
        yield bytes([_LITERAL, len(part) - 1]) + part
