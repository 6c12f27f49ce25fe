"""Lets every terminal show what the commands say: one that is not UTF-8 ends none of them."""

from __future__ import annotations

import codecs
import io
import sys
from typing import Final

_ERRORS: Final = "etter-obs-plain"
_ASCII: Final = "etter-obs-ascii"
_PLAIN: Final = {
    "→": "->",
    "▸": ">",
    "…": "...",
    "–": "-",
    "—": "-",
    "−": "-",
    "×": "x",
    "·": ".",
    "≥": ">=",
    **dict(zip("▁▂▃▄▅▆▇█", "_.:-=+*#", strict=True)),
}
"""Replacements for characters that the terminal does not have; others are shown by their code."""


def use_a_safe_encoding() -> None:
    """Make what cannot be shown on standard output and standard error readable, in any encoding."""
    codecs.register_error(_ERRORS, _replaced)
    codecs.register(_codec)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            ascii_only = codecs.lookup(stream.encoding).name == "ascii"
            # click takes a plain ASCII stream for a mistake, and writes UTF-8 to it all the same.
            stream.reconfigure(encoding=_ASCII if ascii_only else None, errors=_ERRORS)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wrong = error.object[error.start : error.end]
    plain = (_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in wrong)
    return "".join(plain), error.end


def _codec(name: str) -> codecs.CodecInfo | None:
    """Return ASCII under another name."""
    if name.replace("_", "-") != _ASCII:
        return None
    known = codecs.lookup("ascii")
    return codecs.CodecInfo(
        known.encode,
        known.decode,
        known.streamreader,
        known.streamwriter,
        known.incrementalencoder,
        known.incrementaldecoder,
        name=_ASCII,
    )
