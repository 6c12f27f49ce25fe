"""Records an exception for a report without keeping its frames alive.

The record is made on the thread that failed, in a few microseconds. The reporting thread adds
source lines and encodes JSON.
"""

from __future__ import annotations

import linecache
from types import TracebackType
from typing import Any, Final, NamedTuple

from etter_obs._internal.redaction.plain_values import cut

_MAX_FRAMES: Final = 100
_MAX_CHAIN: Final = 10
_CONTEXT_LINES: Final = 5
_MAX_TEXT: Final = 8_192
_MAX_LINE: Final = 256


_Link = tuple[BaseException, int | None, str | None]
"""An exception, the number of its parent, and the attribute that links them."""


class Frame(NamedTuple):
    """One call; ``line`` is a line number, ``module`` the dotted name, if any."""

    filename: str
    function: str
    line: int
    module: str | None


class Raised(NamedTuple):
    """One exception of a tree; ``parent`` is the number of the one that it caused, or of its group.

    ``source`` is the attribute of the parent that links to it.
    """

    number: int
    parent: int | None
    source: str | None
    is_group: bool
    kind: str
    module: str | None
    text: str
    frames: list[Frame]


def chain_of(exception: BaseException) -> list[Raised]:
    """Return ``exception``, number 0, preceded by its causes, the first cause first.

    The function follows ``raise … from …`` and implicit context as Python's traceback does, and
    the members of groups.
    """
    chain: list[Raised] = []
    seen: set[int] = set()
    waiting: list[_Link] = [(exception, None, None)]
    while waiting and len(chain) < _MAX_CHAIN:
        current, parent, source = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        number, kind = len(chain), type(current)
        is_group = isinstance(current, BaseExceptionGroup)
        chain.append(
            Raised(
                number,
                parent,
                source,
                is_group,
                kind.__qualname__,
                kind.__module__,
                _text(current),
                _frames(current),
            )
        )
        waiting += reversed(_chain_to(current, number))
    chain.reverse()
    return chain


def _chain_to(exception: BaseException, number: int) -> list[_Link]:
    links: list[_Link] = []
    if exception.__cause__ is not None:
        links.append((exception.__cause__, number, "__cause__"))
    elif exception.__context__ is not None and not exception.__suppress_context__:
        links.append((exception.__context__, number, "__context__"))
    if isinstance(exception, BaseExceptionGroup):
        links += [
            (member, number, f"exceptions[{index}]")
            for index, member in enumerate(exception.exceptions[:_MAX_CHAIN])
        ]
    return links


def _text(exception: BaseException) -> str:
    try:
        return cut(str(exception), _MAX_TEXT)
    except Exception:  # noqa: BLE001  # the app's __str__ may raise any exception
        return "(its text cannot be read)"


def _frames(exception: BaseException) -> list[Frame]:
    frames: list[Frame] = []
    trace: TracebackType | None = exception.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        code = frame.f_code
        frames.append(
            Frame(code.co_filename, code.co_name, trace.tb_lineno, frame.f_globals.get("__name__"))
        )
        trace = trace.tb_next
    return frames[-_MAX_FRAMES:]


def as_sentry(chain: list[Raised], *, handled: bool) -> dict[str, Any]:
    """Return the ``exception`` interface of Sentry's event payload, with source lines.

    The format is https://develop.sentry.dev/sdk/data-model/event-payloads/exception/. Variables
    are omitted because they may contain secrets.
    """
    return {
        "values": [
            {
                "type": raised.kind,
                "module": raised.module,
                "value": raised.text,
                "mechanism": _mechanism(raised, handled),
                "stacktrace": {"frames": [_frame(frame) for frame in raised.frames]},
            }
            for raised in chain
        ]
    }


def _mechanism(raised: Raised, handled: bool) -> dict[str, Any]:
    mechanism = {"type": "etter_obs", "handled": handled, "exception_id": raised.number}
    if raised.parent is not None:
        mechanism |= {"type": "chained", "parent_id": raised.parent, "source": raised.source}
    if raised.is_group:
        mechanism["is_exception_group"] = True
    return mechanism


def _frame(frame: Frame) -> dict[str, Any]:
    lines = linecache.getlines(frame.filename)
    index = frame.line - 1
    known = 0 <= index < len(lines)
    return {
        "abs_path": frame.filename,
        "filename": _relative(frame),
        "function": frame.function,
        "module": frame.module,
        "lineno": frame.line,
        "pre_context": _shown(lines[max(0, index - _CONTEXT_LINES) : index]) if known else [],
        "context_line": _shown(lines[index : index + 1])[0] if known else None,
        "post_context": _shown(lines[index + 1 : index + 1 + _CONTEXT_LINES]) if known else [],
    }


def _relative(frame: Frame) -> str:
    """Return the path from the package's root, which is equal on every machine."""
    depth = (frame.module or "").count(".") + 1
    parts = frame.filename.split("/")
    if parts[-1] == "__init__.py":
        depth += 1
    return "/".join(parts[-depth:])


def _shown(lines: list[str]) -> list[str]:
    return [cut(line.rstrip("\r\n"), _MAX_LINE) for line in lines]
