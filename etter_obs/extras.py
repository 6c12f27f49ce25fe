"""What is said where a part is wanted whose packages are not installed."""

from __future__ import annotations


def missing(needs: str, extra: str, instead: str = "") -> ImportError:
    """Return the error that names what is missing and the line that installs it.

    Args:
        needs: what wants it and what it is, "tracing httpx needs its instrumentation" say.
        extra: the extra of this package that brings it.
        instead: the setting with which it is not wanted, if there is one.
    """
    other_way = f" (or set {instead})" if instead else ""
    return ImportError(f"{needs}: pip install 'etter-obs[{extra}]'{other_way}")
