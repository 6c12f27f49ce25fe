"""Quantities as people write them, held as exact decimals.

``99.9%`` is ``Decimal("0.999")``, ``200ms`` is ``Decimal("0.2")`` seconds, ``500/s`` is
``Decimal("500")`` per second. Nothing here is ever a binary float, so that a budget of one in a
thousand is written ``0.001`` and not ``0.0010000000000000009``.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final

_SECONDS: Final = {
    "us": Decimal("0.000001"),
    "µs": Decimal("0.000001"),
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
    "w": Decimal(604800),
}
_NUMBER: Final = r"[0-9]{1,12}(?:\.[0-9]{1,12})?"
_PERCENT: Final = re.compile(rf"^({_NUMBER})\s*%$")
_PLAIN: Final = re.compile(rf"^{_NUMBER}$")
_DURATION_PART: Final = re.compile(rf"({_NUMBER})\s*(us|µs|ms|s|m|h|d|w)\s*")
_DURATION: Final = re.compile(rf"^(?:{_DURATION_PART.pattern})+$")
_RATE: Final = re.compile(rf"^({_NUMBER})\s*/\s*(s|m|h)$")

# Patterns for the JSON Schema: what an editor accepts is what the parsers below accept.
PERCENT_PATTERN: Final = r"^\s*[0-9]+(\.[0-9]+)?\s*%\s*$"
DURATION_PATTERN: Final = r"^\s*([0-9]+(\.[0-9]+)?\s*(us|µs|ms|s|m|h|d|w)\s*)+$"
RATE_PATTERN: Final = r"^\s*[0-9]+(\.[0-9]+)?\s*/\s*(s|m|h)\s*$"


def parse_ratio(value: object) -> Decimal:
    """Read a share: ``99.9%``, or a plain number from 0 to 1 such as ``0.999``.

    Raises:
        ValueError: it is neither; the text says what was probably meant.
    """
    text = _text(value)
    if match := _PERCENT.match(text):
        return _exact(Decimal(match[1]) / 100)
    if not _PLAIN.match(text):
        raise ValueError(f"{text!r} is not a percentage; write it as 99.9%")
    number = Decimal(text)
    if number > 1:
        raise ValueError(f"{text} is more than 1; did you mean {text}%?")
    return _exact(number)


def parse_bound(value: object) -> Decimal:
    """Read the bound of a measured value: a percentage (``80%`` is 0.8) or a plain number (50).

    Raises:
        ValueError: it is neither.
    """
    text = _text(value)
    if match := _PERCENT.match(text):
        return _exact(Decimal(match[1]) / 100)
    if not _PLAIN.match(text):
        raise ValueError(f"{text!r} is not a bound; write a number (50) or a percentage (80%)")
    return _exact(Decimal(text))


def parse_duration(value: object) -> Decimal:
    """Read a duration such as ``200ms``, ``1s``, ``1h30m`` or ``30d`` as seconds.

    Raises:
        ValueError: it is none; a bare number is refused, because its unit would be a guess.
    """
    text = _text(value)
    if not _DURATION.match(text):
        meant = f"; it has no unit: did you mean {text}ms or {text}s?" if _PLAIN.match(text) else ""
        raise ValueError(
            f"{text!r} is not a duration{meant or '; write 200ms, 1s, 5m, 1h30m or 30d'}"
        )
    parts = (Decimal(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text))
    return _exact(sum(parts, Decimal(0)))


def parse_rate(value: object) -> Decimal:
    """Read a rate such as ``500/s`` or ``30000/m`` as events per second.

    Raises:
        ValueError: it is none.
    """
    text = _text(value)
    match = _RATE.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a rate; write 500/s")
    return _exact(Decimal(match[1]) / _SECONDS[match[2]])


def decimal_text(value: Decimal) -> str:
    """Write a decimal without exponent or trailing zeros: ``0.0144``, ``50``."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent_text(ratio: Decimal) -> str:
    """Write a share as people do: ``99.9%``."""
    return f"{decimal_text(ratio * 100)}%"


@lru_cache(maxsize=1024)
def duration_text(seconds: Decimal) -> str:
    """Write seconds as Prometheus and people do, in the largest unit that is exact: ``1h``."""
    for unit in ("d", "h", "m", "s", "ms"):
        count = seconds / _SECONDS[unit]
        if count >= 1 and count == count.to_integral_value():
            return f"{decimal_text(count)}{unit}"
    return f"{decimal_text(seconds * 1000)}ms"


def compound_duration_text(seconds: int) -> str:
    """Write whole seconds in several units: ``1h30m``, ``5m30s``, ``0s``."""
    parts = []
    for name, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{name}")
    return "".join(parts) or "0s"


def rounded_duration_text(seconds: Decimal) -> str:
    """Write seconds with three digits, in the largest unit that fits: ``1.5 h``, ``43.2 s``."""
    value = float(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g} s"


def rounded_percent_text(ratio: Decimal) -> str:
    """Write a share with three digits: ``33.3%``."""
    return f"{float(ratio) * 100:.3g}%"


def le_text(seconds: Decimal) -> str:
    """Write a bucket's bound as Prometheus 3 stores it: ``0.2``, ``1.0``, never ``1``."""
    text = decimal_text(seconds)
    return text if "." in text else f"{text}.0"


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError(f"{value!r} is not a quantity")
    return (format(value, "f") if isinstance(value, Decimal) else str(value)).strip()


def _exact(value: Decimal) -> Decimal:
    """Drop trailing zeros, so that 1.0 and 1 are the same text and the same hash."""
    return Decimal(decimal_text(value))
