"""LogQL in pieces. The collector's resource attributes become Loki's two index labels."""

from __future__ import annotations

from typing import Final

from etter_obs.conventions import LogField

LEVEL: Final = "severity_text"
"""Structured metadata in which Loki keeps an OTLP record's level."""
AUTO: Final = "$__auto"
"""Grafana's range for LogQL, the counterpart of ``$__rate_interval``."""


def stream(*filters: str) -> str:
    """Select the service's lines; ``filters`` are label filters on structured metadata."""
    chosen = '{service_name="$service", deployment_environment_name="$environment"}'
    return " | ".join((chosen, *filters))


def per_second(pipeline: str, *by: str) -> str:
    """Lines per second, by the labels given."""
    return f"sum by ({', '.join(by)}) (rate({pipeline} [{AUTO}]))"


def readable(pipeline: str) -> str:
    """Put what an access line holds in fields before its text: method, path, status, time."""
    method, path, status, milliseconds = (
        f"{{{{ .{field} }}}}"
        for field in (LogField.METHOD, LogField.PATH, LogField.STATUS_CODE, LogField.DURATION_MS)
    )
    request = f"{method} {path} {status} in {milliseconds} ms: "
    return (
        f"{pipeline} | line_format `{{{{ if .{LogField.STATUS_CODE} }}}}{request}{{{{ end }}}}"
        "{{ __line__ }}`"
    )
