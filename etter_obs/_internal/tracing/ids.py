"""Ids of spans: from the head decision for the server span, random for all others."""

from __future__ import annotations

from contextvars import ContextVar
from random import getrandbits

from opentelemetry.sdk.trace.id_generator import IdGenerator

from etter_obs._internal.tracing.sampling import Decision


class PresetIds(IdGenerator):
    """Returns the ids of the head decision for the next span, random ids for all others."""

    def __init__(self) -> None:
        self._next: ContextVar[tuple[int, int] | None] = ContextVar("etter_obs_ids", default=None)

    def preset(self, decision: Decision) -> None:
        """Use the decision's ids for the next span that starts in this context."""
        self._next.set((int(decision.trace_id, 16), int(decision.span_id, 16)))

    def generate_trace_id(self) -> int:
        """Return a trace id: 128 bits, never 0."""
        preset = self._next.get()
        return preset[0] if preset else getrandbits(128) or 1

    def generate_span_id(self) -> int:
        """Return a span id: 64 bits, never 0. The SDK calls it last, so it ends the preset."""
        preset = self._next.get()
        if preset is None:
            return getrandbits(64) or 1
        self._next.set(None)
        return preset[1]

    def is_trace_id_random(self) -> bool:
        """Return True: every bit is random."""
        return True
