"""Render an entry as one JSON object on one line: complete, redacted, escaped and limited."""

from __future__ import annotations

import re
import time
from pathlib import PurePath
from types import CodeType
from typing import Any, Final

from etter_obs._internal.conventions import log_fields
from etter_obs._internal.logs import fields as names
from etter_obs._internal.logs.encoding import encode, encode_value
from etter_obs._internal.logs.record import Entry, Site
from etter_obs._internal.redaction.plain_values import cut
from etter_obs._internal.redaction.redactor import HARMLESS, NUMBERS, CleanTexts, Redactor

CONTAINERS: Final = frozenset({dict, list, tuple})
_HEX: Final = re.compile(r"[0-9a-f]{16}(?:[0-9a-f]{16})?")
_OUR_ID: Final = re.compile(r"[0-9a-f]{32}")
"""An id of this package, which is not a card number."""
_MIN_KEPT: Final = 32
_MAX_ID: Final = 66
"""Maximum bytes of a request id in JSON; a longer id was a field of the caller."""


Line = tuple[bytes, dict[str, Any], dict[str, Any]]
"""A rendered line, and the two parts of its fields, for code that sends them on."""


class Renderer:
    """Render the entries of one service in one environment.

    Args:
        service: Name of the service, on every line.
        environment: Name of the deployment environment, on every line.
        redactor: The rules that keep secrets out.
        max_bytes: Maximum length of a line in bytes, including its newline.
    """

    def __init__(self, service: str, environment: str, redactor: Redactor, max_bytes: int) -> None:
        self.service = service
        self.environment = environment
        self.max_bytes = max_bytes
        self.clean = CleanTexts(redactor)
        self.redactor = redactor
        self._second = -1
        self._second_text = ""
        self._modules: dict[str, str] = {}

    def render(self, entry: Entry) -> Line:
        """Return the line of ``entry``, whatever it contains."""
        document = self._document(entry)
        self._redact(document)
        data = encode(document)
        if len(data) > self.max_bytes:
            data = self._shorten(document)
        return data, {}, document

    def timestamp(self, time_ns: int) -> str:
        """Return a Unix time in nanoseconds as ISO 8601 in UTC with microseconds."""
        second, rest = divmod(time_ns, 1_000_000_000)
        if second != self._second:
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return f"{self._second_text}.{rest // 1000:06d}Z"

    def head(
        self, level: str, message: str, logger: str, site: Site | tuple[CodeType, int]
    ) -> dict[str, Any]:
        """Return the common fields of all lines of one call, in their order on the line.

        Args:
            level: Name of the level.
            message: The message.
            logger: Name of the logger.
            site: Where the line is logged.

        Returns:
            The fields, in the order of the line.
        """
        if len(site) == 3:
            filename, function, line = site
        else:
            code, line = site
            filename, function = code.co_filename, code.co_name
        module = self._modules.get(filename)
        if module is None:
            if len(self._modules) > 1024:  # templates and notebooks make up file names
                self._modules.clear()
            module = self._modules[filename] = PurePath(filename).stem
        return {
            log_fields.LEVEL: level,
            log_fields.MESSAGE: message,
            log_fields.LOGGER: logger,
            log_fields.MODULE: module,
            log_fields.FUNCTION: function,
            log_fields.LINE: line,
            log_fields.SERVICE: self.service,
            log_fields.ENVIRONMENT: self.environment,
        }

    def _document(self, entry: Entry) -> dict[str, Any]:
        time_ns, level, logger, message, site, request, span, fields, exception, _ = entry
        document: dict[str, Any] = {log_fields.TIMESTAMP: self.timestamp(time_ns)}
        document |= self.head(level, message, logger, site)
        document |= dict.fromkeys(names.IDS)
        if request is not None:
            document[log_fields.REQUEST_ID] = request.request_id
            document[log_fields.TRACE_ID] = request.trace_id
            document[log_fields.SPAN_ID] = request.span_id
            document[log_fields.TRACE_SAMPLED] = request.sampled
            document[log_fields.METHOD] = request.method
            document[log_fields.PATH] = request.path
        if span is not None:
            document[log_fields.TRACE_ID] = f"{span.trace_id:032x}"
            document[log_fields.SPAN_ID] = f"{span.span_id:016x}"
            document[log_fields.TRACE_SAMPLED] = span.sampled
        document.update(_without_reserved(fields, document))
        if exception is not None:
            text = exception if isinstance(exception, str) else "".join(exception.format())
            document[log_fields.EXCEPTION] = text.rstrip()
        return document

    def _redact(self, document: dict[str, Any]) -> None:
        """Hide secrets in place; check thoroughly only where a quick check finds a trace of one."""
        clean = self.clean.known
        texts: list[str] = []
        kept = set(names.TRUSTED)
        redactor = self.redactor
        doubtful = redactor.has_pattern
        for key, value in document.items():
            if key in names.TRUSTED:
                continue
            kind = type(value)
            if kind is str:
                if key in names.IDS and _is_id(key, value):
                    kept.add(key)
                elif value not in clean:
                    texts.append(value)
            elif kind in CONTAINERS or (kind in NUMBERS and not -HARMLESS <= value <= HARMLESS):
                doubtful = True
            if key not in names.KNOWN:
                if key not in clean:
                    texts.append(key)
                doubtful = doubtful or redactor.names.know(key)
        if not doubtful and self.clean.are(texts):
            return
        kept.update(_small_numbers(document))
        shown = redactor.mapping({key: value for key, value in document.items() if key not in kept})
        for key in document.keys() - kept - shown.keys():
            del document[key]  # the key itself is a secret
        document.update(shown)

    def _shorten(self, document: dict[str, Any]) -> bytes:
        """Cut the longest values until the line fits, and mark it as truncated."""
        document[log_fields.TRUNCATED] = True
        for _ in range(len(document) + 8):
            data = encode(document)
            excess = len(data) - self.max_bytes
            if excess <= 0:
                return data
            sizes = {
                key: size
                for key, value in document.items()
                if key not in names.TRUSTED
                and key != log_fields.TRUNCATED
                and ((size := len(encode_value(value))) > _MAX_ID or key not in names.IDS)
            }
            longest = max(sizes, key=lambda key: sizes[key])
            if sizes[longest] <= _MIN_KEPT:
                break
            document[longest] = _cut_value(document[longest], longest, sizes[longest], excess)
        for key in list(document):  # hundreds of short fields: none is more important than another
            if key not in names.RESERVED:
                del document[key]
        return encode(document)


def _small_numbers(document: dict[str, Any]) -> list[str]:
    """Return which of our own fields hold numbers that are too small for a secret."""
    return [
        key
        for key in names.KNOWN.intersection(document)
        if type(document[key]) in NUMBERS and -HARMLESS <= document[key] <= HARMLESS
    ]


def _is_id(key: str, value: str) -> bool:
    """Return whether the value is an id of this package, which contains no secret."""
    made = _HEX if key in names.TRACING else _OUR_ID
    return made.fullmatch(value) is not None


def _without_reserved(fields: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Return ``fields``, renaming those that would replace an existing value.

    A caller may set an id that is missing: the access log does so after the request.
    """
    taken = names.RESERVED.intersection(fields)
    if not taken:
        return fields
    return {
        f"{key}_"
        if key in taken and not (key in names.IDS and document[key] in (None, value))
        else key: value
        for key, value in fields.items()
    }


def _cut_value(value: Any, key: str, size: int, excess: int) -> str:
    text = value if isinstance(value, str) else encode_value(value).decode("utf-8")
    kept = max(_MIN_KEPT // 2, int(len(text) * max(0.0, 1 - (excess + 16) / size)))
    if key == log_fields.EXCEPTION:  # the cause is at the top, the raised exception at the bottom
        return f"{text[: kept // 3]}\n…\n{text[len(text) - kept * 2 // 3 :]}"
    return cut(text, kept)
