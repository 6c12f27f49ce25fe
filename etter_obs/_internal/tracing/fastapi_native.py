"""FastAPI's own telemetry (0.142 and later) must not make a second server span.

It wakes up as soon as a global tracer provider exists, stands outside every middleware, and decides
and pays for itself. Where that provider is ours, our server span takes its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

SCOPE_KEY: Final = "fastapi.telemetry"
"""With this key in a request's scope, whatever its value, a mounted FastAPI app makes no span."""


def silence_native_spans(app: Any) -> Callable[[], None]:
    """Switch the native spans of ``app`` off and return the undo.

    Its metrics and logs stay, and so do the spans of an app that was given a provider of its own:
    ``FastAPI(telemetry={"tracer_provider": …})`` is a wish.
    """
    config = getattr(app, "_telemetry", None)
    if not isinstance(config, dict) or not config.get("tracing") or config.get("tracer_provider"):
        return lambda: None
    config["tracing"] = False

    def undo() -> None:
        config["tracing"] = True

    return undo
