"""Have the official instrumentations speak the stable semantic conventions, ours alone.

They read ``OTEL_SEMCONV_STABILITY_OPT_IN`` once for the whole process and speak the old dialect
where it is not set. Setting it would change what the user's own instrumentations say, so their
table of modes is swapped only while ours are made. What the user opted for wins.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stable_conventions() -> Iterator[None]:
    """Make instrumentations inside this block use the stable HTTP and database conventions."""
    try:
        from opentelemetry.instrumentation._semconv import (
            _OpenTelemetrySemanticConventionStability as Stability,
        )
        from opentelemetry.instrumentation._semconv import (
            _OpenTelemetryStabilitySignalType as Signal,
        )
        from opentelemetry.instrumentation._semconv import _StabilityMode as Mode

        Stability._initialize()  # type: ignore[no-untyped-call]
        table = Stability._OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING
        wanted = {Signal.HTTP: Mode.HTTP, Signal.DATABASE: Mode.DATABASE}
    except (ImportError, AttributeError):
        # Later versions may have dropped the old dialect and this switch with it.
        yield
        return
    before = {signal: table.get(signal, Mode.DEFAULT) for signal in wanted}
    table.update({s: mode for s, mode in wanted.items() if before[s] is Mode.DEFAULT})
    try:
        yield
    finally:
        table.update(before)
