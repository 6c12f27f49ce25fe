"""One entry becomes one JSON object on one line: complete, redacted, escaped and bounded."""

from __future__ import annotations

import datetime as dt
import re
import time
from pathlib import PurePath
from types import CodeType
from typing import Any, Final, NamedTuple

import orjson

from etter_obs.conventions import LogField
from etter_obs.logs.patterns import is_sensitive
from etter_obs.logs.record import Entry, Site
from etter_obs.logs.redaction import Redactor
from etter_obs.logs.values import cut

# Plain strings: a StrEnum member is an instance of str, and orjson takes its slow path for those.
_TIMESTAMP: Final = LogField.TIMESTAMP.value
_LEVEL: Final = LogField.LEVEL.value
_MESSAGE: Final = LogField.MESSAGE.value
_LOGGER: Final = LogField.LOGGER.value
_MODULE: Final = LogField.MODULE.value
_FUNCTION: Final = LogField.FUNCTION.value
_LINE: Final = LogField.LINE.value
_REQUEST_ID: Final = LogField.REQUEST_ID.value
_TRACE_ID: Final = LogField.TRACE_ID.value
_SPAN_ID: Final = LogField.SPAN_ID.value
_SAMPLED: Final = LogField.TRACE_SAMPLED.value
_SERVICE: Final = LogField.SERVICE.value
_ENVIRONMENT: Final = LogField.ENVIRONMENT.value
_METHOD: Final = LogField.METHOD.value
_PATH: Final = LogField.PATH.value
_EXCEPTION: Final = LogField.EXCEPTION.value
_TRUNCATED: Final = LogField.TRUNCATED.value

ACCESS: Final = "etter_obs.access"
"""Logger of the access log, whose fields name the ids of a request that is over by then."""
IDS: Final = (_REQUEST_ID, _TRACE_ID, _SPAN_ID, _SAMPLED)
CORE: Final = (
    _TIMESTAMP,
    _LEVEL,
    _MESSAGE,
    _LOGGER,
    _MODULE,
    _FUNCTION,
    _LINE,
    *IDS,
    _SERVICE,
    _ENVIRONMENT,
)
"""Fields that every line has, in this order; a caller's own of that name gets a ``_`` behind."""
_RESERVED: Final = frozenset((*CORE, _EXCEPTION, _TRUNCATED))
_TRUSTED: Final = frozenset(CORE) - {_MESSAGE, _REQUEST_ID}
"""Fields that nothing from outside gets into, so that no rule need look at them."""

_KNOWN: Final = frozenset(field.value for field in LogField)
_HOLDERS: Final = frozenset({dict, list, tuple})
_SMALL: Final = 10**12 - 1
"""Whole numbers up to this have too few digits for a card's number."""

# JSON lets these stand as they are; a terminal or a line reader takes them for control: delete and
# the C1 controls, the two Unicode line ends, and what turns the direction of writing.
_UNSAFE: Final = re.compile("[\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_MIN_KEPT: Final = 32
_MAX_CLEAN: Final = 4096
_MAX_CLEAN_LENGTH: Final = 128


class Line(NamedTuple):
    """A rendered line and the fields it was made from, for whoever sends them elsewhere."""

    data: bytes
    fields: dict[str, Any]


class Renderer:
    """Renders entries of one service in one environment.

    Args:
        service: name of the service, on every line.
        environment: name of the deployment environment, on every line.
        redactor: the rules that keep secrets out.
        max_bytes: upper bound of a line, its newline included.
    """

    def __init__(self, service: str, environment: str, redactor: Redactor, max_bytes: int) -> None:
        self._service = service
        self._environment = environment
        self._redactor = redactor
        self._max_bytes = max_bytes
        self._second = -1
        self._second_text = ""
        self._modules: dict[str, str] = {}
        self._clean: set[str] = set()

    def render(self, entry: Entry) -> Line:
        """Return the line of ``entry``, whatever it holds."""
        document = self._document(entry)
        self._redact(document)
        data = encode(document)
        if len(data) > self._max_bytes:
            data = self._shorten(document)
        return Line(data, document)

    def _document(self, entry: Entry) -> dict[str, Any]:
        time_ns, level, logger, message, site, request, span, fields, exception, _ = entry
        module, function, line = self._where(site)
        document: dict[str, Any] = {
            _TIMESTAMP: self._timestamp(time_ns),
            _LEVEL: level,
            _MESSAGE: message,
            _LOGGER: logger,
            _MODULE: module,
            _FUNCTION: function,
            _LINE: line,
            _REQUEST_ID: None,
            _TRACE_ID: None,
            _SPAN_ID: None,
            _SAMPLED: None,
            _SERVICE: self._service,
            _ENVIRONMENT: self._environment,
        }
        if request is not None:
            document[_REQUEST_ID] = request.request_id
            document[_TRACE_ID] = request.trace_id
            document[_SPAN_ID] = request.span_id
            document[_SAMPLED] = request.sampled
            document[_METHOD] = request.method
            document[_PATH] = request.path
        if span is not None:
            document[_TRACE_ID] = f"{span.trace_id:032x}"
            document[_SPAN_ID] = f"{span.span_id:016x}"
            document[_SAMPLED] = span.sampled
        if logger is not ACCESS and not _RESERVED.isdisjoint(fields):
            for key in _RESERVED.intersection(fields):
                value = fields.pop(key)
                if value != document.get(key):
                    fields[f"{key}_"] = value
        document.update(fields)
        if exception is not None:
            document[_EXCEPTION] = "".join(exception.format()).rstrip()
        return document

    def _timestamp(self, time_ns: int) -> str:
        second, rest = divmod(time_ns, 1_000_000_000)
        if second != self._second:
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return f"{self._second_text}.{rest // 1000:06d}Z"

    def _where(self, site: Site | tuple[CodeType, int]) -> tuple[str, str, int]:
        if len(site) == 3:
            filename, function, line = site
        else:
            code, line = site
            filename, function = code.co_filename, code.co_name
        module = self._modules.get(filename)
        if module is None:
            if len(self._modules) > 1024:  # templates and notebooks make file names up
                self._modules.clear()
            module = self._modules[filename] = PurePath(filename).stem
        return module, function, line

    def _redact(self, document: dict[str, Any]) -> None:
        """Hide secrets in place, looking closely only where a first look found a trace of one."""
        redactor, clean = self._redactor, self._clean
        texts: list[str] = []
        doubtful = False
        for key, value in document.items():
            if key in _TRUSTED:
                continue
            kind = type(value)
            if kind is str:
                if value not in clean:
                    texts.append(value)
            elif kind in _HOLDERS or (kind is int and value > _SMALL):
                doubtful = True
            if key not in _KNOWN:
                if key not in clean:
                    texts.append(key)
                doubtful = doubtful or is_sensitive(key)
        if not doubtful and not redactor.suspicious("\n".join(texts)):
            self._remember(texts)
            return
        shown = redactor.mapping({k: v for k, v in document.items() if k not in _TRUSTED})
        for key in document.keys() - _TRUSTED - shown.keys():
            del document[key]  # the key itself was a secret
        document.update(shown)

    def _remember(self, texts: list[str]) -> None:
        """Keep what was found clean: routes, methods, events and keys come again and again."""
        if len(self._clean) + len(texts) > _MAX_CLEAN:
            self._clean.clear()
        self._clean.update([text for text in texts if len(text) <= _MAX_CLEAN_LENGTH])

    def _shorten(self, document: dict[str, Any]) -> bytes:
        """Cut the longest values until the line fits; mark it as truncated."""
        document[_TRUNCATED] = True
        for _ in range(len(document) + 8):
            data = encode(document)
            excess = len(data) - self._max_bytes
            if excess <= 0:
                return data
            sizes = {
                key: len(encode_value(value))
                for key, value in document.items()
                if key not in _TRUSTED and key != _TRUNCATED
            }
            longest = max(sizes, key=lambda key: sizes[key])
            if sizes[longest] <= _MIN_KEPT:
                break
            document[longest] = _cut_value(document[longest], longest, sizes[longest], excess)
        for key in list(document):  # hundreds of short fields: none is more worth than another
            if key not in _RESERVED:
                del document[key]
        return encode(document)


def _cut_value(value: Any, key: str, size: int, excess: int) -> str:
    text = value if isinstance(value, str) else encode_value(value).decode("utf-8")
    kept = max(_MIN_KEPT // 2, int(len(text) * max(0.0, 1 - (excess + 16) / size)))
    if key == _EXCEPTION:  # the cause stands at the top, what was raised at the bottom
        return f"{text[: kept // 3]}\n…\n{text[len(text) - kept * 2 // 3 :]}"
    return cut(text, kept)


def encode(document: dict[str, Any]) -> bytes:
    """Return ``document`` as one line of JSON in UTF-8 with its newline."""
    try:
        data = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        data = orjson.dumps(_encodable(document), option=orjson.OPT_APPEND_NEWLINE)
    if not data.isascii() or b"\x7f" in data:
        text = _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", data.decode("utf-8"))
        data = text.encode("utf-8")
    return data


def encode_value(value: Any) -> bytes:
    """Return ``value`` as JSON in UTF-8."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(_encodable(value))


def _encodable(value: Any) -> Any:
    """Return ``value`` with what JSON has no place for spelled out: it is the rare, slow way."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, dict):
        return {_encodable(str(key)): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else hex(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    # Lone surrogates are no Unicode; they come with file names and with JSON from JavaScript.
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
