"""The app's own pattern for secrets, matched in linear time.

Python's ``re`` can take years for a text of thirty characters, and blocks the whole process
meanwhile. RE2 takes time linear in the length of the text for every pattern, and releases the
interpreter lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etter_obs._internal.optional_dependencies import OWN_PATTERN
from etter_obs._internal.redaction.named_values import REDACTED

if TYPE_CHECKING:
    import re2

_MAX_LENGTH: Final = 4_096
_MAX_MATCHES: Final = 128
"""Further matches hide the rest of the text, because each search may scan to the end."""


class UserPattern:
    """Hide everything that an RE2 regular expression matches.

    Args:
        pattern: The regular expression.

    Raises:
        ValueError: The expression is not valid or RE2 is not installed; the text says what it
            takes.
    """

    def __init__(self, pattern: str) -> None:
        if len(pattern) > _MAX_LENGTH:
            raise ValueError(f"a regular expression of at most {_MAX_LENGTH} characters")
        self._matches = _compiled(pattern).finditer
        if any(True for _ in self._matches(b"")):
            raise ValueError("a regular expression that does not match the empty string")

    def hide(self, text: str) -> str:
        """Return ``text`` without the matches; the same object if nothing matches."""
        # File names may contain lone surrogates, which are not valid UTF-8.
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
    if fault is not None:  # without it, the secrets that it matches would leak
        raise ValueError(f"a regular expression of RE2, but {OWN_PATTERN.remedy(fault)}")
    import re2

    options = re2.Options()
    options.log_errors = False  # on standard error
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        why = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise ValueError(
            "a regular expression of RE2, which supports neither look-around nor back-references: "
            f"{why}"
        ) from None
