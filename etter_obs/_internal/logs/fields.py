"""Groups of the fields of a line, by the part of the program that sets them."""

from __future__ import annotations

from typing import Final

from etter_obs._internal.conventions import constants_of, log_fields
from etter_obs._internal.conventions.log_fields import (
    ENVIRONMENT,
    EXCEPTION,
    FUNCTION,
    LEVEL,
    LINE,
    LOGGER,
    MESSAGE,
    MODULE,
    REQUEST_ID,
    SERVICE,
    SPAN_ID,
    TIMESTAMP,
    TRACE_ID,
    TRACE_SAMPLED,
    TRUNCATED,
)

ACCESS: Final = "etter_obs.access"
"""Logger of the access log."""
IDS: Final = (REQUEST_ID, TRACE_ID, SPAN_ID, TRACE_SAMPLED)
CORE: Final = (
    TIMESTAMP,
    LEVEL,
    MESSAGE,
    LOGGER,
    MODULE,
    FUNCTION,
    LINE,
    SERVICE,
    ENVIRONMENT,
    *IDS,
)
"""Fields of every line, in this order; a caller's field of the same name gets a ``_`` suffix."""
RESERVED: Final = frozenset((*CORE, EXCEPTION, TRUNCATED))
TRUSTED: Final = frozenset(CORE) - {MESSAGE, *IDS}
"""Fields that never contain outside data, so that no rule needs to check them."""
TRACING: Final = frozenset({TRACE_ID, SPAN_ID})
"""Ids that may look like a card number; as long as they are hexadecimal, they are not one."""
KNOWN: Final = frozenset(constants_of(log_fields))
"""Names that this package sets; they need no check for secrets."""
