"""Makes our instances of the official instrumentations use the stable semantic conventions.

They read ``OTEL_SEMCONV_STABILITY_OPT_IN`` once per process and use the old conventions if it is
not set. Setting it would change the user's own instrumentations, so this module swaps their table
of modes only while ours are created. The user's own setting wins.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stable_conventions() -> Iterator[None]:
    """Use the stable HTTP and database conventions for instrumentations created in this block."""
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
        # Later versions may drop the old conventions together with this switch.
        yield
        return
    before = {signal: table.get(signal, Mode.DEFAULT) for signal in wanted}
    table.update({s: mode for s, mode in wanted.items() if before[s] is Mode.DEFAULT})
    try:
        yield
    finally:
        table.update(before)
