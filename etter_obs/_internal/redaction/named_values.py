"""Hide values in text by the name before them: ``password=…``, JSON, ``repr``, XML, headers.

``SecretNames`` decides which names are secret, as for the keys of fields. A value is hidden
completely: a quoted text with its quotes, a list or a mapping up to its last bracket. A value
without an end extends to the end of the text.

The search for names runs from left to right and steps over values, so its time is linear in the
length of the text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from typing import Final

from etter_obs._internal.redaction.secret_names import SecretNames, is_of_a_header
from etter_obs._internal.redaction.sql import without_values

REDACTED: Final = "[redacted]"
"""The replacement of a secret."""

_Match = re.Match[str]

# The name may end in what closes it: `"password":`, `d['password'] =`, `user[password]=`. Nested
# JSON has backslashes before its quotes, more with each level; a form has + for a space.
_ASSIGNED: Final = re.compile(
    r"(?<![\w.-])(?P<name>[\w.-]++)[\\\"'\])]*+[\s+]{0,4}(?:=>|->|:=|={1,3}|:{1,2})[ \t+]{0,4}"
)
_PAIRED: Final = re.compile(
    r"(?:[(\[][\s+]{0,4}b?|\b(?:name|key)\\*[\"'][\s+]{0,4}:[\s+]{0,4})"
    r"(?P<quote>\\*[\"'])(?P<name>[\w.-]++)(?P=quote)[\s+]{0,4},[\s+]{0,4}"
    r"(?P<sure>\\*[\"']value\\*[\"'][\s+]{0,4}:[\s+]{0,4})?"
)
_OPTION: Final = re.compile(r"(?<![\w-])--(?P<name>[\w-]++)[ \t+]{1,4}(?!-)")
_ELEMENT: Final = re.compile(r"<(?:[\w-]+:)?(?P<name>[\w.-]++)(?:\s[^<>]*)?>")
_CLOSING: Final = re.compile(r"</(?:[\w-]+:)?(?P<name>[\w.-]++)")
_LINE: Final = r"(?:\r?\n|\\{1,8}r\\{1,8}n|\\{1,8}n)"
_PART: Final = re.compile(
    rf"\bname=\\*+\"?(?P<name>[\w.\[\]-]++)\\*+\"?[^\r\n\\]{{0,256}}"
    rf"(?:{_LINE}[\w-]{{1,64}}:[^\r\n\\]{{0,256}}){{0,8}}{_LINE}{_LINE}"
)
_PART_END: Final = re.compile(rf"{_LINE}--")
_PARAMETERS: Final = re.compile(
    r"\[(?:parameters: |(?:generated in|cached since|raw sql|no key|caching disabled|dialect )"
    r"[^\]\r\n]{0,128}\] )|\bKey \([^\r\n]{1,256}?\)=|\bFailing row contains "
    r"|\bduplicate key value is |\bDuplicate entry "
    r"|\binput_value=|[\"']msg[\"']: ?(?:\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.)*+'), ?"
    r"[\"']input[\"']: ?"
)
_STATEMENT: Final = re.compile(r"\[SQL: ")
_STATEMENT_END: Final = re.compile(rf"\](?=\s*\Z|{_LINE}(?:[\[(]|{_LINE}))")
PARAMETER_NEEDLES: Final = (
    "[sql: ",
    "[parameters: ",
    "[generated in",
    "[cached since",
    "[raw sql",
    "[no key",
    "[caching disabled",
    "[dialect ",
    "key (",
    "failing row",
    "key value is",
    "duplicate entry",
    "input_value=",
    "'input'",
    '"input"',
)
"""A text that ``hide_parameters`` changes contains one of these in lower case."""

_NOTHING: Final = re.compile(r"(?:true|false|none|null)(?![^\s,;&)}\]])", re.IGNORECASE)
# YAML: the following indented lines, up to the first line that is not indented.
_BLOCK: Final = re.compile(
    rf"(?:[|>][+-]?\d?[ \t+]*)?(?:{_LINE}(?:[ \t+](?:(?!{_LINE})[^\r\n])*|(?={_LINE})))+"
)
_SPACE: Final = re.compile(r"[\s+]{0,4}")
_STRING: Final = (
    r"\"(?:[^\"\\]|\\.)*+\"?|'(?:[^'\\]|\\.)*+'?"
    r"|(?P<quote>\\{1,63}[\"'])(?:.*?(?<!\\)(?P=quote)|.*)"  # in another string, with plain quotes
)
_QUOTED: Final = re.compile(rf"[bBrRuU]{{0,2}}(?:{_STRING})", re.DOTALL)
_BRACKET: Final = re.compile(rf"(?P<open>[(\[{{])|[)\]}}]|{_STRING}|\\.", re.DOTALL)
_OF_HEADER: Final = re.compile(r"(?:[^\"'\\\r\n]|(?<==)\\*\"[^\"\r\n]*\")+")
_BARE: Final = re.compile(r"[^\s,;&(){}\[\]]+")
_END: Final = re.compile(r"[\s+]{0,4},?[\s+]{0,4}[)\]}]")
# `auth: failed` is prose; `session=session` and `x: AsyncSession = y` are code; an id has a digit.
_TOPIC: Final = re.compile(r"(?:[A-Z][a-z]+)*(?:[aA]uth|[sS]ession)")
_SECOND_WORDS: Final = frozenset({"key", "keys", "id", "number", "card", "word", "phrase", "code"})
_WORD: Final = re.compile(r"[^\s\d\"'({\[][^\s\d\"',;&)}\]]{0,63}(?=[\s,;&)}\]]|\Z)")
_MAX_WORD: Final = 24
_LAST_NAME: Final = re.compile(r"(?<![\w.-])[\w.-]++[\\\"'\])]*+[:=>]*+\Z")
_MAX_NAME: Final = 128
_OPENING: Final = ("(", "[", "{")


def hide_assigned(names: SecretNames, text: str) -> str:
    """Hide what is assigned to a name: after ``=``, ``:``, ``=>`` or ``->``, quoted or not."""
    return _hidden(names, text, _ASSIGNED, _end_of_assigned)


def hide_paired(names: SecretNames, text: str) -> str:
    """Hide the second item of a bracketed pair whose first is a name, as in ASGI headers."""
    return _hidden(names, text, _PAIRED, _end_of_pair)


def hide_options(names: SecretNames, text: str) -> str:
    """Hide the value of a command-line option."""
    return _hidden(names, text, _OPTION, lambda text, match: _end_of_value(text, match.end()))


def hide_elements(names: SecretNames, text: str) -> str:
    """Hide the content of XML elements."""
    closings: dict[str, list[int]] = {}
    for closing in _CLOSING.finditer(text):
        closings.setdefault(closing["name"], []).append(closing.start())

    def end(_: str, match: _Match) -> int:
        ends = closings.get(match["name"], [])
        first = bisect_left(ends, match.end())
        # `<password>` in a usage text of a program is kept.
        return ends[first] if first < len(ends) else match.end()

    return _hidden(names, text, _ELEMENT, end)


def hide_parts(names: SecretNames, text: str) -> str:
    """Hide the parts of a multipart form."""

    def end(text: str, match: _Match) -> int:
        boundary = _PART_END.search(text, match.end())
        return boundary.start() if boundary else len(text)

    return _hidden(names, text, _PART, end)


def hide_parameters(text: str) -> str:
    """Hide the values of a statement in texts of SQLAlchemy and databases, and Pydantic's input."""
    shown: list[str] = []
    done = 0
    while statement := _STATEMENT.search(text, done):
        end = _STATEMENT_END.search(text, statement.end())
        ended = end.start() if end else len(text)
        shown += (text[done : statement.end()], without_values(text[statement.end() : ended]))
        done = ended
    text = "".join((*shown, text[done:]))
    return _hidden(None, text, _PARAMETERS, lambda text, match: _end_of_value(text, match.end()))


def _hidden(
    names: SecretNames | None,
    text: str,
    pattern: re.Pattern[str],
    end_of: Callable[[str, _Match], int],
) -> str:
    """Replace the value after each match of ``pattern`` that names a secret.

    Args:
        names: Tells which names are secret; None treats every match as secret.
        text: The text to redact.
        pattern: Matches a name and what separates it from its value.
        end_of: Returns the offset at which the value ends.

    Returns:
        The text with the values replaced.
    """
    shown: list[str] = []
    done = at = 0
    while match := pattern.search(text, at):
        at = match.end()
        if names is None or _names_secret(names, text, match):
            end = end_of(text, match)
            if end > at:
                shown += (text[done:at], REDACTED)
                # `credentials: password: x`: what looks like the value may be the next name.
                last = _LAST_NAME.search(text, max(at, end - _MAX_NAME), end)
                done, at = end, last.start() if last else end
    return "".join((*shown, text[done:])) if shown else text


def _names_secret(names: SecretNames, text: str, match: _Match) -> bool:
    name = match["name"]
    if names.know(name):
        return True
    if (lowered := name.lower()) not in _SECOND_WORDS and lowered not in names.last_words:
        return False
    start = match.start("name")
    before = text[max(0, start - _MAX_WORD) : start]
    return before.endswith(" ") and names.know(f"{before.rpartition(' ')[0][-_MAX_WORD:]} {name}")


def _end_of_assigned(text: str, match: _Match) -> int:
    at, name = match.end(), match["name"]
    if _TOPIC.fullmatch(name) and _WORD.match(text, at):
        return at
    if is_of_a_header(name):
        value = _QUOTED.match(text, at) or _OF_HEADER.match(text, at)
        if value and not text.startswith(_OPENING, at):
            return value.end()
    return _end_of_value(text, at)


def _end_of_pair(text: str, match: _Match) -> int:
    at = match.end()
    end = _end_of_value(text, at)
    # Scanning the same text repeatedly is slow, so only a short value may turn out to stay.
    is_long = text.startswith(_OPENING, at) or end == len(text)
    return end if is_long or match["sure"] or _END.match(text, end) else at


def _end_of_value(text: str, at: int) -> int:
    """Return where the value that begins at ``at`` ends; ``at`` itself if there is no value."""
    if block := _BLOCK.match(text, at):
        return block.end()
    space = _SPACE.match(text, at)
    start = space.end() if space else at
    if text.startswith(_OPENING, start):
        return _end_of_brackets(text, start)
    if _NOTHING.match(text, start):
        return at
    if value := _QUOTED.match(text, start):
        return value.end()
    end = start
    while value := _BARE.match(text, end):  # the arguments of a call belong to it
        end = value.end()
        if text.startswith(_OPENING, end):
            end = _end_of_brackets(text, end)
    return end if end > start else at


def _end_of_brackets(text: str, at: int) -> int:
    depth = 0
    for token in _BRACKET.finditer(text, at):
        if token["open"]:
            depth += 1
        elif token[0] in ")]}":
            depth -= 1
            if depth == 0:
                return token.end()
    return len(text)
