"""LogQL in pieces. The collector's resource attributes become Loki's two index labels."""

from __future__ import annotations

from typing import Final

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
