"""Names of the fields of a line, and which part of the program sets them."""

from __future__ import annotations

from typing import Final

from etter_obs._internal.conventions import LogField

# Plain strings: a StrEnum member is an instance of str, for which orjson takes its slow path.
TIMESTAMP: Final = LogField.TIMESTAMP.value
LEVEL: Final = LogField.LEVEL.value
MESSAGE: Final = LogField.MESSAGE.value
LOGGER: Final = LogField.LOGGER.value
MODULE: Final = LogField.MODULE.value
FUNCTION: Final = LogField.FUNCTION.value
LINE: Final = LogField.LINE.value
REQUEST_ID: Final = LogField.REQUEST_ID.value
TRACE_ID: Final = LogField.TRACE_ID.value
SPAN_ID: Final = LogField.SPAN_ID.value
SAMPLED: Final = LogField.TRACE_SAMPLED.value
SERVICE: Final = LogField.SERVICE.value
ENVIRONMENT: Final = LogField.ENVIRONMENT.value
METHOD: Final = LogField.METHOD.value
PATH: Final = LogField.PATH.value
EXCEPTION: Final = LogField.EXCEPTION.value
TRUNCATED: Final = LogField.TRUNCATED.value

ACCESS: Final = "etter_obs.access"
"""Logger of the access log."""
IDS: Final = (REQUEST_ID, TRACE_ID, SPAN_ID, SAMPLED)
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
KNOWN: Final = frozenset(field.value for field in LogField)
"""Names that this package sets; they need no check for secrets."""
