"""Fields that the code of a request adds to all lines of that request."""

from __future__ import annotations

from typing import Any, Final

from etter_obs._internal.context import current_request
from etter_obs._internal.redaction.plain_values import plain_fields

_MAX_TEXT: Final = 1_024


def bind_request(**fields: Any) -> None:
    """Add ``fields`` to all later lines of the request being served, its access line included.

    It works everywhere in the request's context, including a sync dependency or endpoint, which
    runs on another thread. (Fields that ``structlog.contextvars.bind_contextvars`` binds there are
    lost when that thread is done.) A line's own field takes precedence. Outside a request, the call
    does nothing. Texts are cut to 1,024 characters; values are redacted like those of lines.
    """
    request = current_request.get()
    if request is not None:
        request.bound = {**(request.bound or {}), **plain_fields(fields, _MAX_TEXT)}
