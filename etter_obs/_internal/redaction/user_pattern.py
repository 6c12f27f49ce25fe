"""A pattern of the app's own for what is secret in its texts, in time that nobody can stretch.

Python's ``re`` may take years for a text of thirty characters, and holds the whole process
meanwhile. RE2 takes time in proportion to the text, whatever the pattern, and lets others run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etter_obs._internal.optional_dependencies import OWN_PATTERN
from etter_obs._internal.redaction.named_values import REDACTED

if TYPE_CHECKING:
    import re2

_MAX_LENGTH: Final = 4_096
_MAX_MATCHES: Final = 128
"""More of them in one text hide the rest of it: each may look for its end up to the text's."""


class UserPattern:
    """Hides all that a regular expression of RE2 matches.

    Args:
        pattern: the expression.

    Raises:
        ValueError: it cannot be one, or RE2 is not installed; the text says what it takes.
    """

    def __init__(self, pattern: str) -> None:
        if len(pattern) > _MAX_LENGTH:
            raise ValueError(f"a regular expression of at most {_MAX_LENGTH} characters")
        self._matches = _compiled(pattern).finditer
        if any(True for _ in self._matches(b"")):
            raise ValueError("a regular expression that does not match the empty string")

    def hide(self, text: str) -> str:
        """Return ``text`` without what matches: the same object where nothing does."""
        # Names of files may hold lone surrogates, which are no UTF-8.
        data = text.encode("utf-8", "surrogatepass")
        shown: list[bytes] = []
        done = 0
        for number, match in enumerate(self._matches(data)):
            start, end = match.span()
            if start == end:
                continue
            shown += (data[done:start], REDACTED.encode())
            done = end
            if number == _MAX_MATCHES:
                done = len(data)
                break
        if not shown:
            return text
        return b"".join((*shown, data[done:])).decode("utf-8", "surrogatepass")


def _compiled(pattern: str) -> re2._Regexp[bytes]:
    fault = OWN_PATTERN.fault()
    if fault is not None:  # to go on without it would let out what it is to hide
        raise ValueError(f"a regular expression of RE2, but {OWN_PATTERN.remedy(fault)}")
    import re2

    options = re2.Options()
    options.log_errors = False  # to the standard error
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        why = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise ValueError(
            "a regular expression of RE2, which supports neither look-around nor back-references: "
            f"{why}"
        ) from None
