"""Prevents a second server span by FastAPI's own telemetry (0.142 and later).

It starts when a global tracer provider exists, wraps every middleware, and samples independently.
If that provider is ours, our server span replaces its span.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

SCOPE_KEY: Final = "fastapi.telemetry"
"""If a request's scope has this key, a mounted FastAPI app creates no span."""


def silence_native_spans(app: Any) -> Callable[[], None]:
    """Disable the native spans of ``app`` and return the undo.

    Its metrics and logs continue. An app with its own provider, as in
    ``FastAPI(telemetry={"tracer_provider": …})``, keeps its spans.
    """
    config = getattr(app, "_telemetry", None)
    if not isinstance(config, dict) or not config.get("tracing") or config.get("tracer_provider"):
        return lambda: None
    config["tracing"] = False

    def undo() -> None:
        config["tracing"] = True

    return undo
