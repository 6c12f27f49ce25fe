"""Structured logs: one JSON object per line, from the standard library's logging and structlog."""

from etter_obs._internal.logs.pipeline import LogPipeline
from etter_obs._internal.logs.structlog_loggers import get_logger
from etter_obs._internal.redaction.redactor import REDACTED, Redactor

__all__ = ["REDACTED", "LogPipeline", "Redactor", "get_logger"]
