"""Reads what a locust run left behind: the files of ``--csv PREFIX``, or its JSON report.

locust itself rounds response times to two digits (504 ms is recorded as 500); no reader can be
finer. The JSON report has the whole distribution but neither users nor the kinds of failures; the
CSV files have users, kinds, and percentiles in place of the distribution.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

_PERCENTILE: Final = re.compile(r"^(\d+(?:\.\d+)?)%$")
_CLIENT_ERROR: Final = re.compile(r"\b4\d\d Client Error\b|\bcode=4\d\d\b")
_AGGREGATED: Final = "Aggregated"


class LocustRunError(ValueError):
    """The files are missing or no locust run; the message says which, where, and what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One named request of the run (locust's ``name``, best set to the route's template).

    ``percentiles`` maps a share (0.95) to seconds; ``times`` maps seconds to requests, empty where
    the run has only percentiles.
    """

    name: str
    requests: int
    failures: int
    percentiles: Mapping[Decimal, Decimal] = field(default_factory=dict)
    times: Mapping[Decimal, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the run's history: Unix time, users then, requests and failures until then.

    ``percentiles`` maps a share (0.95) to the seconds of the last ten; empty before the first.
    """

    at: int
    users: int
    requests: int
    failures: int
    percentiles: Mapping[Decimal, Decimal]


@dataclass(frozen=True, slots=True)
class LocustRun:
    """A whole run. ``total`` sums up ``entries``; ``throughput`` is requests a second over it all.

    ``client_errors`` is None where the run does not tell a 4xx from other failures.
    """

    entries: Sequence[Entry]
    total: Entry
    throughput: float
    client_errors: int | None
    history: Sequence[Moment]


def is_run(path: Path) -> bool:
    """Return whether ``path`` is the prefix or the JSON report of a run."""
    return path.is_file() if path.suffix == ".json" else _sibling(path, "stats").is_file()


def read_run(path: Path) -> LocustRun:
    """Read ``PREFIX_stats.csv`` with its siblings, or a ``.json`` report.

    Raises:
        LocustRunError: a file is missing, is not locust's, or tells of no request.
    """
    run = _read_json(path) if path.suffix == ".json" else _read_csv(path)
    if not run.total.requests:
        raise LocustRunError(f"{path}: the run made no request")
    return run


def _read_csv(prefix: Path) -> LocustRun:
    stats = _sibling(prefix, "stats")
    if not stats.is_file():
        raise LocustRunError(
            f"{stats}: no such file; use the prefix given to `locust --csv`, "
            "or the JSON report (`locust --json-file`)"
        )
    total, throughput, entries = None, 0.0, []
    for line, row in _rows(stats, "Name", "Request Count", "Failure Count", "Requests/s"):
        try:
            entry = Entry(
                row["Name"],
                int(row["Request Count"]),
                int(row["Failure Count"]),
                percentiles=_percentiles(row),
            )
            if entry.name == _AGGREGATED:
                total, throughput = entry, float(row["Requests/s"])
            else:
                entries.append(entry)
        except (ValueError, ArithmeticError) as error:
            raise LocustRunError(f"{stats}:{line}: not a locust statistics row ({error})") from None
    if total is None:
        raise LocustRunError(
            f"{stats}: no {_AGGREGATED!r} row; locust ended before it wrote the row"
        )
    return LocustRun(entries, total, throughput, _client_errors(prefix), _history(prefix))


def _client_errors(prefix: Path) -> int | None:
    failures = _sibling(prefix, "failures")
    if not failures.is_file():
        return None
    count = 0
    for line, row in _rows(failures, "Error", "Occurrences"):
        if _CLIENT_ERROR.search(row["Error"]):
            count += _number(failures, line, row["Occurrences"])
    return count


def _history(prefix: Path) -> list[Moment]:
    path = _sibling(prefix, "stats_history")
    if not path.is_file():
        return []
    found = []
    for line, row in _rows(path, "Name", *_HISTORY):
        if row["Name"] == _AGGREGATED:
            at, users, requests, failures = (_number(path, line, row[name]) for name in _HISTORY)
            found.append(Moment(at, users, requests, failures, _percentiles(row)))
    return found


_HISTORY: Final = ("Timestamp", "User Count", "Total Request Count", "Total Failure Count")


def _percentiles(row: Mapping[str, str]) -> dict[Decimal, Decimal]:
    return {
        Decimal(match[1]) / 100: Decimal(text) / 1000
        for column, text in row.items()
        if (match := _PERCENTILE.match(column)) and text != "N/A"
    }


def _sibling(prefix: Path, what: str) -> Path:
    return prefix.with_name(f"{prefix.name}_{what}.csv")


def _number(path: Path, line: int, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise LocustRunError(f"{path}:{line}: {text!r} is not a number") from None


def _rows(path: Path, *columns: str) -> list[tuple[int, dict[str, str]]]:
    """Each row with its line; a file that lacks one of the columns is not locust's."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise LocustRunError(f"{path}:1: not a locust file: no column {missing[0]!r}")
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LocustRunError(f"{path}: cannot be read: {error}") from None
    for line, row in rows:
        if None in row or None in row.values():
            raise LocustRunError(
                f"{path}:{line}: the row is incomplete; wait until locust has ended"
            )
    return rows


def _read_json(path: Path) -> LocustRun:
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LocustRunError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise LocustRunError(f"{path}: not JSON: {error}") from None
    try:
        entries = [_entry(item) for item in report]
        started = min(float(item["start_time"]) for item in report)
        ended = max(float(item["last_request_timestamp"] or 0) for item in report)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise LocustRunError(
            f"{path}: not a report of `locust --json` ({type(error).__name__}: {error})"
        ) from None
    times: dict[Decimal, int] = {}
    for entry in entries:
        for time, count in entry.times.items():
            times[time] = times.get(time, 0) + count
    total = Entry(
        _AGGREGATED,
        sum(entry.requests for entry in entries),
        sum(entry.failures for entry in entries),
        times=times,
    )
    throughput = total.requests / (ended - started) if ended > started else 0.0
    return LocustRun(entries, total, throughput, client_errors=None, history=[])


def _entry(item: Mapping[str, object]) -> Entry:
    times = item["response_times"]
    if not isinstance(times, dict):
        raise TypeError("response_times is no mapping")
    return Entry(
        str(item["name"]),
        int(str(item["num_requests"])),
        int(str(item["num_failures"])),
        times={Decimal(milliseconds) / 1000: int(count) for milliseconds, count in times.items()},
    )
