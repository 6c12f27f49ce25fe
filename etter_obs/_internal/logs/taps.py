"""The destination of lines: the newest installed pipeline takes all of them, each once."""

from __future__ import annotations

import logging
from types import CodeType
from typing import Any, Final, Protocol

from etter_obs._internal.logs.record import Site


class Taker(Protocol):
    """The part of a pipeline that capturing code uses."""

    level: str
    """Name of the lowest level that it takes."""
    threshold: int
    """The same level as a number."""

    def take_record(self, record: logging.LogRecord) -> None:
        """Take a record of the logging module."""

    def take_event(
        self,
        level: str,
        logger: str,
        message: Any,
        fields: dict[str, Any],
        site: Site | tuple[CodeType, int],
    ) -> None:
        """Take a line of structlog or loguru.

        Args:
            level: Name of the level.
            logger: Name of the logger.
            message: The message.
            fields: The fields; the taker owns them from now on.
            site: Where the line was logged.
        """


takers: Final[list[Taker]] = []
"""The installed pipelines; the last one takes the lines."""
