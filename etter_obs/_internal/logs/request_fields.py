"""Fields that a request's code adds to all lines of that request."""

from __future__ import annotations

from typing import Any, Final

from etter_obs._internal.context import current_request
from etter_obs._internal.redaction.plain_values import plain_fields

_MAX_TEXT: Final = 1_024


def bind_request(**fields: Any) -> None:
    """Put ``fields`` on all further lines of the request being served, its access line included.

    It works from wherever the request's context is, also in a sync dependency or endpoint, which
    runs on another thread: what ``structlog.contextvars.bind_contextvars`` binds there is lost
    when the thread is done with it. A field of a line's own wins. Outside a request it does
    nothing. Texts are cut to 1,024 characters; values are redacted as those of lines.
    """
    request = current_request.get()
    if request is not None:
        request.bound = {**(request.bound or {}), **plain_fields(fields, _MAX_TEXT)}
