"""Parsers of variables: each returns the value or raises ValueError.

The text of the error completes the sentence "it takes …".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Final, Literal, TypeVar
from urllib.parse import unquote

T = TypeVar("T", bound=str)

OtlpProtocol = Literal["grpc", "http/protobuf"]
OtlpCompression = Literal["none", "gzip"]

OTLP_PROTOCOLS: Final[tuple[OtlpProtocol, ...]] = ("grpc", "http/protobuf")
OTLP_COMPRESSIONS: Final[tuple[OtlpCompression, ...]] = ("none", "gzip")
SAMPLERS: Final = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)
UNIX_SOCKET: Final = "unix:"
"""As a trusted proxy: every client of the Unix socket; nginx uses the same spelling."""
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
NAME_PATTERN: Final = r"^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$"
NAME_TAKES: Final = "a name: lower-case letters, digits and dashes, at most 63, the first a letter"
_PORT: Final = r"(?::(?P<port>[0-9]{1,5}))?"
_ENDPOINT: Final = re.compile(
    r"(?:https?://)?(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])" + _PORT + r"(?:/\S*)?"
)
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_SECRET_NAME: Final = re.compile(r"(?=.*[A-Za-z0-9])[\w. -]+")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_DSN: Final = re.compile(
    r"https?://[^@/\s]+@(?:[^/\s:]+|\[[0-9A-Fa-f:]+\])" + _PORT + r"/(?:\S+/)?[0-9]+"
)


def boolean(held: str) -> bool:
    """Parse true, 1, yes, on, false, 0, no or off."""
    value = {"true": True, "1": True, "yes": True, "on": True}.get(held.lower())
    if value is None and held.lower() not in ("false", "0", "no", "off"):
        raise ValueError("true or false")
    return bool(value)


def text(held: str) -> str:
    """Parse a name on one line."""
    if len(held) > 256 or not held.isprintable():
        raise ValueError("at most 256 printable characters")
    return held


def name(held: str) -> str:
    """Parse a name under the rule of slo.yaml for an environment."""
    if not re.fullmatch(NAME_PATTERN, held):
        raise ValueError(NAME_TAKES)
    return held


def items(held: str) -> tuple[str, ...]:
    """Parse texts separated by commas."""
    return tuple(item for part in held.split(",") if (item := part.strip()))


def secret_name(held: str) -> str:
    """Parse the name of a secret, in any spelling."""
    if len(held) > 64 or not _SECRET_NAME.fullmatch(held):
        raise ValueError(
            "names such as pickup_code, webhookUrl, X-Device-Key, separated by commas; a name has "
            "at most 64 letters, digits, spaces and ._-"
        )
    return held


def pattern(held: str) -> str:
    """Parse a regular expression that matches secrets."""
    from etter_obs._internal.redaction.user_pattern import UserPattern  # only if a pattern is set

    UserPattern(held)
    return held


def proxies(held: str) -> tuple[str, ...]:
    """Parse IP addresses, networks and ``unix:``, separated by commas."""
    try:
        return tuple(part if part == UNIX_SOCKET else str(ip_network(part)) for part in items(held))
    except ValueError:
        raise ValueError(
            "addresses or networks such as 10.0.0.0/8, 2001:db8::1, or unix: for clients of a Unix "
            "socket, separated by commas"
        ) from None


def headers(held: str) -> tuple[tuple[str, str], ...]:
    """Parse OpenTelemetry's ``name=value`` pairs: separated by commas, percent-encoded."""
    pairs = []
    for part in filter(None, (piece.strip() for piece in held.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not _HEADER.fullmatch(name.strip()):
            raise ValueError("name=value pairs separated by commas, such as api-key=secret")
        pairs.append((name.strip(), unquote(value.strip())))
    return tuple(pairs)


def level(held: str) -> str:
    """Parse a level of the logging module, in upper or lower case."""
    if held.upper() not in _LEVELS:
        raise ValueError(f"one of {', '.join(_LEVELS)}")
    return held.upper()


def one_of(choices: tuple[T, ...]) -> Callable[[str], T]:
    """Return a parser of one of ``choices``."""

    def parse(held: str) -> T:
        for choice in choices:
            if held == choice:
                return choice
        raise ValueError(f"one of {', '.join(choices)}")

    return parse


def some_of(choices: tuple[T, ...]) -> Callable[[str], tuple[T, ...]]:
    """Return a parser of some of ``choices``, separated by commas in any case, or of none."""

    def parse(held: str) -> tuple[T, ...]:
        if held.lower() == "none":
            return ()
        named = {part.strip().lower() for part in held.split(",")}
        if not named <= {choice.lower() for choice in choices}:
            raise ValueError(f"some of {', '.join(choices)}, separated by commas, or none")
        return tuple(choice for choice in choices if choice.lower() in named)

    return parse


def patterns(held: str) -> tuple[str, ...]:
    """Parse regular expressions separated by commas, as OpenTelemetry does."""
    found = tuple(part.strip() for part in held.split(",") if part.strip())
    try:
        for part in found:
            re.compile(part)
    except re.error as error:
        raise ValueError(f"regular expressions separated by commas ({part!r}: {error})") from None
    return found


def path(held: str) -> str:
    """Parse the path of a URL; return the empty string for none."""
    if held.lower() == "none":
        return ""
    if not _PATH.fullmatch(held):
        raise ValueError("a path such as /internal/metrics without a trailing slash, or none")
    return held


def integer(minimum: int, maximum: int | None = None, why: str = "") -> Callable[[str], int]:
    """Return a parser of whole numbers in ASCII digits.

    Args:
        minimum: The smallest number.
        maximum: The largest number; None sets no limit.
        why: Where the maximum comes from, for the error.

    Returns:
        The parser.
    """

    def parse(held: str) -> int:
        fits = held.isascii() and held.isdigit() and int(held) >= minimum
        if not fits or (maximum is not None and int(held) > maximum):
            end = "up" if maximum is None else f"to {maximum}{why}"
            raise ValueError(f"a whole number from {minimum} {end}")
        return int(held)

    return parse


def port(held: str) -> int:
    """Parse a TCP port, or 0."""
    if not held.isascii() or not held.isdigit() or not 0 <= int(held) <= 65_535:
        raise ValueError("a port from 0 to 65535 (0: any free port)")
    return int(held)


def ratio(held: str) -> float:
    """Parse a share from 0 to 1."""
    try:
        value = float(held)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise ValueError("a number from 0 to 1")
    return value


def seconds(held: str) -> float:
    """Parse a duration in seconds, below one hour."""
    try:
        value = float(held)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 3_600.0:
        raise ValueError("seconds, more than 0 and less than 3600")
    return value


def seconds_or_none(held: str) -> float:
    """Parse what ``seconds`` parses, or 0."""
    return 0.0 if held in ("0", "0.0") else seconds(held)


def milliseconds(minimum: int) -> Callable[[str], float]:
    """Return a parser of OpenTelemetry's durations: milliseconds up to an hour, as seconds."""

    def parse(held: str) -> float:
        if not held.isascii() or not held.isdigit() or not minimum <= int(held) <= 3_600_000:
            raise ValueError(f"whole milliseconds, {minimum} to 3600000")
        return int(held) / 1000

    return parse


def endpoint(held: str) -> str:
    """Parse the address of an OTLP receiver."""
    if not _is_address(_ENDPOINT, held):
        raise ValueError(
            "host:port or a URL, such as localhost:4317 or https://collector:4318; "
            "ports are 1 to 65535"
        )
    return held


def dsn(held: str) -> str:
    """Parse the address of a Sentry project."""
    if not _is_address(_DSN, held):
        raise ValueError("a Sentry DSN, https://<key>@<host>/<project number>")
    return held


def _is_address(form: re.Pattern[str], held: str) -> bool:
    found = form.fullmatch(held)
    return found is not None and (found["port"] is None or 0 < int(found["port"]) <= 65_535)


def file(held: str) -> Path:
    """Parse the path of an existing file."""
    path = Path(held)
    if not path.is_file():
        raise ValueError("the path of a file that exists")
    return path
