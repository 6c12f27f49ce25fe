"""Properties that hold for every input."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etter_obs._internal.logs import get_logger
from etter_obs._internal.settings import Settings
from tests.logs.pipelines import Logged
from tests.logs.secrets import planted

MAX_BYTES = 2048
logger = get_logger("tests.properties")

# Every code point, lone surrogates and controls included.
TEXT = st.text(st.characters(), max_size=60)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXT
    | st.binary(max_size=20)
    | st.datetimes()
    | st.uuids()
    | st.decimals()
    | st.complex_numbers()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXT | st.integers() | st.none(), inner, max_size=4)
        | st.tuples(inner, inner)
        | st.frozensets(TEXT, max_size=3)
    ),
    max_leaves=12,
)
NAMES = TEXT.filter(lambda name: name not in {"event", "exc_info", "stack_info", "self", "message"})


@pytest.fixture(scope="module")
def many() -> Iterator[Logged]:
    """One pipeline for all examples."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Logged(Path(folder) / "log", Settings(log_max_bytes=MAX_BYTES)) as logged,
    ):
        yield logged


def new_lines(logged: Logged) -> list[bytes]:
    """Return what was written since the last call."""
    lines = logged.raw()
    logged.path.write_bytes(b"")
    return lines


def assert_one_object(lines: list[bytes], count: int) -> list[dict[str, Any]]:
    """Assert that ``lines`` are ``count`` JSON objects, bounded, and safe to print."""
    assert len(lines) == count
    objects = []
    for raw in lines:
        assert raw.endswith(b"\n")
        assert len(raw) <= MAX_BYTES
        text = raw.decode("utf-8")
        assert len(text.splitlines()) == 1
        assert not any(ord(char) < 32 or 0x7F <= ord(char) <= 0x9F for char in text[:-1])
        line = json.loads(text)
        assert isinstance(line, dict)
        assert (line["service"], line["environment"]) == ("shop", "test")
        objects.append(line)
    return objects


@settings(max_examples=300)
@given(message=TEXT, fields=st.dictionaries(NAMES, VALUES, max_size=6))
def test_every_call_gives_one_json_object(
    many: Logged, message: str, fields: dict[str, Any]
) -> None:
    """Whatever is logged, by structlog or logging, each call gives one valid JSON object."""
    logger.info(message, **fields)
    logging.getLogger("tests").info(
        "%s", message, extra={f"x{key}": value for key, value in fields.items()}
    )
    many.pipeline.access({"path": message, "request_id": message, "status_code": 200})
    assert_one_object(new_lines(many), 3)


@settings(max_examples=300)
@given(
    secret=planted(),
    before=st.text(st.characters(exclude_categories=("L", "N", "Cs")), max_size=10),
    place=st.sampled_from(
        ["message", "field", "key", "nested", "deep", "exception", "argument", "path", "bytes"]
    ),
)
def test_no_planted_secret_comes_out(
    many: Logged, secret: tuple[str, str], before: str, place: str
) -> None:
    """A secret in a message, argument, field, key, exception or path is in no byte of the line."""
    text, hidden = f"{before} {secret[0]} after", secret[1]
    if place == "message":
        logger.info(text)
    elif place == "field":
        logger.info("x", field=text)
    elif place == "key":
        logger.info("x", **{text: 1})
    elif place == "nested":
        logger.info("x", field={"a": [text, {text: text}]})
    elif place == "deep":
        logger.info("x", field=[[[[[[[[text]]]]]]]])
    elif place == "bytes":
        logger.info("x", field=text.encode("utf-8"))
    elif place == "exception":
        try:
            raise ValueError(text)
        except ValueError:
            logger.exception("x")
    elif place == "argument":
        logging.getLogger("tests").info("x %s", text, extra={"y": text})
    else:
        many.pipeline.access({"path": text, "method": text, "request_id": text, "status_code": 200})
    raw = new_lines(many)
    assert_one_object(raw, 1)
    assert hidden not in raw[0].decode("utf-8")
