"""Share among workers what each of them counts with prometheus_client.

prometheus_client keeps its values in the process, unless PROMETHEUS_MULTIPROC_DIR is set before it
is imported. Each worker therefore writes its values to a file: every few seconds, at each scrape
and at its end. The worker that answers a scrape adds up all files. It writes its own file first and
then answers, so that no other worker ever shows a lower value. The successor of a dead worker
continues from the last written values.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import sys
import threading
import time
from dataclasses import dataclass, field
from itertools import islice
from operator import add
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Self, TypeAlias

from etter_obs._internal.metrics.prometheus_client_bridge import families, with_pauses
from etter_obs._internal.metrics.workers import WorkerFolder

_log = logging.getLogger("etter_obs.metrics")

_CHUNK: Final = 100
"""Samples that are written and read per step, in a fraction of a millisecond."""
_SHARE: Final = 100
"""Writing takes at most one part in this many of a worker's time."""

Across: TypeAlias = Literal["sum", "live-sum", "min", "max", "pid", "own"]
"""How the samples of workers are combined. Only counters (``sum``) outlive a worker; ``pid`` keeps
all samples apart by a label of that name, as prometheus_client does; ``own`` uses the sample of the
worker that answers."""
_MODES: Final[dict[str, Across]] = {"sum": "live-sum", "min": "min", "max": "max"}
"""By ``Gauge(multiprocess_mode=…)``; any other mode is ``pid``."""
_COMBINE: Final[dict[Across, Any]] = {"sum": add, "live-sum": add, "min": min, "max": max}
Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""Name and labels of a sample."""
Value: TypeAlias = tuple[float, list[Any] | None]
"""Value of a sample, and its exemplar as labels, value and time."""


@dataclass
class Family:
    """One family of metrics."""

    name: str
    documentation: str
    type: str
    unit: str
    across: Across
    samples: dict[Key, Value] = field(default_factory=dict)

    def empty(self) -> Family:
        """Return the same family without samples."""
        return Family(self.name, self.documentation, self.type, self.unit, self.across)

    def add(self, other: Self, pid: str) -> None:
        """Add the samples of another worker."""
        if self.across == "pid":
            self.samples |= other.apart(pid)
            return
        for key, (value, mark) in with_pauses(other.samples.items()):
            before = self.samples.get(key)
            if before is not None:
                combine = min if key[0] == f"{self.name}_created" else _COMBINE[self.across]
                value = combine(before[0], value)
                mark = max(before[1], mark, key=lambda one: (one and one[2]) or 0)
            self.samples[key] = (value, mark)

    def apart(self, pid: str) -> dict[Key, Value]:
        """Return the samples with the worker's process id as a label."""
        return {(name, (*of, ("pid", pid))): v for (name, of), v in self.samples.items()}


Families: TypeAlias = dict[str, Family]
_processes: Final[dict[int, str]] = {}
"""Unique names of this process and its ancestors by fork; unlike process ids, never reused."""


class _Note(NamedTuple):
    """The values that a worker wrote."""

    process: str
    pid: str
    written: float
    families: Families


class ClientShare:
    """The app's own metrics, of this worker and of the others.

    Args:
        folder: The folder of the workers, in which this worker has a file.
    """

    def __init__(self, folder: WorkerFolder) -> None:
        self._folder = folder
        self._has_written = self._is_off = False
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._process = _processes.setdefault(os.getpid(), secrets.token_hex(8))
        before = _read(self._folder.note)
        self._inherited: Families = {}
        if before is not None and before.process != self._process:
            self._inherited = {n: f for n, f in before.families.items() if f.across == "sum"}

    def forked(self) -> None:
        """Start again in a forked child, once it has its own file.

        The child of a worker that serves does not take part: it holds a copy of its parent's
        counts.
        """
        self._is_off = self._has_written
        self._begin()

    def step_back(self) -> None:
        """Delete what was written, for a process that only starts the workers."""
        self._has_written = False
        self._folder.note.unlink(missing_ok=True)

    @property
    def is_used(self) -> bool:
        """Whether the app uses prometheus_client and that keeps its values in memory."""
        client: Any = sys.modules.get("prometheus_client")
        return not (self._is_off or client is None or client.values.ValueClass._multiprocess)

    def publish(self, *, last: bool = False) -> None:
        """Write the values of this worker, unless that takes too much of its time."""
        if self.is_used and (last or time.monotonic() >= self._not_before):
            self._own()

    def families(self) -> Families:
        """Return every family with the samples of all workers."""
        merged = self._own()
        notes: dict[str, tuple[_Note, bool]] = {}
        for path, lives in self._folder.notes():
            note = _read(path)
            if note is None or note.process == self._process:
                continue  # another app of this process has written the same values
            known = notes.get(note.process)
            if known is None or known[0].written < note.written:
                notes[note.process] = (note, lives)
        if any(lives for _, lives in notes.values()):
            for family in merged.values():
                if family.across == "pid":
                    family.samples = family.apart(str(os.getpid()))
        for note, lives in notes.values():
            for family in note.families.values():
                if lives or family.across == "sum":
                    merged.setdefault(family.name, family.empty()).add(family, note.pid)
        return merged

    def _own(self) -> Families:
        """Return the values of this worker and of its predecessors, and write them."""
        with self._lock:
            began = time.monotonic()
            own = _collect()
            self._has_written = True
            for family in self._inherited.values():
                own.setdefault(family.name, family.empty()).add(family, "")
            try:
                _write(self._folder.note, self._process, own)
            except OSError:
                _log.warning(
                    "The metrics of prometheus_client cannot be shared among workers", exc_info=True
                )
            ended = time.monotonic()
            self._not_before = ended + _SHARE * (ended - began)
            return own


def _collect() -> Families:
    found: Families = {}
    client: Any = sys.modules["prometheus_client"]
    for collector, family in families(client.REGISTRY):
        across = _across(collector, family.type)
        shared = Family(family.name, family.documentation, family.type, family.unit, across)
        for sample in with_pauses(family.samples):
            mark = sample.exemplar
            marked = mark and [mark.labels, mark.value, float(mark.timestamp or 0)]
            shared.samples[sample.name, tuple(sample.labels.items())] = (sample.value, marked)
        found[shared.name] = shared
    return found


def _across(collector: Any, kind: str) -> Across:
    """Return how the samples of workers are combined; ``collector`` is None if unknown."""
    module = type(collector).__module__
    if collector is not None and module.partition(".")[0] != "prometheus_client":
        return "own"  # it may read a total that all workers share
    if kind in ("counter", "histogram", "summary"):
        return "sum"
    if kind != "gauge":
        return "own"
    return _MODES.get(getattr(collector, "_multiprocess_mode", "").removeprefix("live"), "pid")


def _write(path: Path, process: str, own: Families) -> None:
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        file.write(json.dumps([process, str(os.getpid()), time.time()]) + "\n")
        for family in with_pauses(own.values()):
            if family.across == "own":
                continue
            head = [family.name, family.documentation, family.type, family.unit, family.across]
            samples = with_pauses(family.samples.items())
            while chunk := [[*key, *value] for key, value in islice(samples, _CHUNK)]:
                file.write(json.dumps([head, chunk], separators=(",", ":")) + "\n")
    new.replace(path)


def _read(path: Path) -> _Note | None:
    """Return what was written to ``path``; None if there is nothing."""
    found: Families = {}
    try:
        with path.open(encoding="utf-8") as file:
            process, pid, written = json.loads(file.readline())
            for line in with_pauses(file):
                head, samples = json.loads(line)
                family = found.setdefault(head[0], Family(*head))
                for name, labels, value, mark in samples:
                    family.samples[name, tuple(map(tuple, labels))] = (value, mark)
    except (OSError, ValueError):
        return None
    return _Note(process, pid, written, found)
