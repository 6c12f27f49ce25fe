"""Where lines go: the newest installed pipeline takes all of them, so that none comes twice."""

from __future__ import annotations

import logging
from types import CodeType
from typing import Any, Final, Protocol

from etter_obs._internal.logs.record import Site


class Taker(Protocol):
    """A pipeline, as far as what leads lines into it cares."""

    level: str
    """Name of the lowest level that it takes."""
    threshold: int
    """The same as a number."""

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
        """Take a line of structlog or loguru; ``fields`` is the taker's own from now on."""


takers: Final[list[Taker]] = []
"""Pipelines that are installed; the last one takes the lines."""
