"""LogQL in pieces. Loki has three index labels: two resource attributes, and the level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etter_obs._internal.conventions import log_fields
from etter_obs._internal.text.promql import one_of

if TYPE_CHECKING:
    from collections.abc import Iterable

LEVEL: Final = "severity_text"
"""Index label in which Loki keeps an OTLP record's level."""
AUTO: Final = "$__auto"
"""Grafana's range for LogQL, the counterpart of ``$__rate_interval``."""


def stream(*filters: str, levels: Iterable[str] = ()) -> str:
    """Select the service's lines; ``filters`` are label filters on structured metadata.

    Of ``levels`` alone where given: Loki then reads no line of another one.
    """
    chosen = ['service_name="$service"', 'deployment_environment_name="$environment"']
    if levels:
        chosen.append(one_of(LEVEL, levels))
    return " | ".join((f"{{{', '.join(chosen)}}}", *filters))


def per_second(pipeline: str, *by: str) -> str:
    """Lines per second, by the labels given."""
    return f"sum by ({', '.join(by)}) (rate({pipeline} [{AUTO}]))"


def readable(pipeline: str) -> str:
    """Put what an access line holds in fields before its text: method, path, status, time."""
    method, path, status, milliseconds = (
        f"{{{{ .{field} }}}}"
        for field in (
            log_fields.METHOD,
            log_fields.PATH,
            log_fields.STATUS_CODE,
            log_fields.DURATION_MS,
        )
    )
    request = f"{method} {path} {status} in {milliseconds} ms: "
    return (
        f"{pipeline} | line_format `{{{{ if .{log_fields.STATUS_CODE} }}}}{request}{{{{ end }}}}"
        "{{ __line__ }}`"
    )
