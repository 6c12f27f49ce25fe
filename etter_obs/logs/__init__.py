"""Structured logs: one JSON object a line, from the standard library's logging and structlog."""

from etter_obs.logs.pipeline import LogPipeline
from etter_obs.logs.redaction import REDACTED, Redactor
from etter_obs.logs.structured import get_logger

__all__ = ["REDACTED", "LogPipeline", "Redactor", "get_logger"]
