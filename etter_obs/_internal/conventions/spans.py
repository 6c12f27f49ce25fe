"""Attributes that this package adds to spans."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class SpanAttribute:
    """Attributes that this package adds to spans; OpenTelemetry's attributes keep their names."""

    REQUEST_ID: Final = "etter.request_id"
    MADE_AFTERWARDS: Final = "etter.made_afterwards"
    REASON: Final = "etter.kept_because"


class KeptBecause(StrEnum):
    """Why the span of an unsampled request was created afterwards."""

    ERROR = "error"
    LATENCY = "latency"
