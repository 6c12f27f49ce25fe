"""An app's own redaction rules apply to lines, spans and error reports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from opentelemetry import trace

from etter_obs import Settings, SettingsError, get_logger
from etter_obs._internal.logs import REDACTED, Redactor
from etter_obs.testing.logs import recording_logs
from tests.errors.sentry_receiver import sentry_receiver
from tests.logs.pipelines import Logged
from tests.services import Receiver
from tests.tracing.observed import observed

NAMES = ("pickup_code", "webhookUrl", "id card")
PATTERN = r"\bACME-[0-9]{6}\b|\b[0-9]{11}\b"
redactor = Redactor(NAMES, PATTERN)
plain = Redactor()


@pytest.mark.parametrize(
    "key",
    [
        *("pickup_code", "pickupCode", "PICKUP-CODES", "X-Pickup-Code", "shop_pickup_code"),
        *("pickupcode", "webhook_url", "webhookURL", "webhooks.url", "id_card", "IdCard"),
        *("pickup_code_value", "password"),
    ],
)
def test_a_name_is_known_however_it_is_spelled(key: str) -> None:
    """A value under a name of the app's own is hidden, as a key and in text."""
    assert redactor.value(key, "S3cr3tValue") == REDACTED
    option = f"--{key.replace('.', '-')} S3cr3tValue x"
    for text in (f"{key}=S3cr3tValue", f'{{"{key}": "S3cr3tValue"}}', option):
        assert "S3cr3tValue" not in redactor.text(text), text


@pytest.mark.parametrize("text", ["Pickup code: S3cr3tValue", "the webhook URL = S3cr3tValue"])
def test_a_name_of_two_words_is_known_in_prose(text: str) -> None:
    """A space between the words is as good as an underscore."""
    assert "S3cr3tValue" not in redactor.text(text)
    assert plain.text(text) == text


@pytest.mark.parametrize("key", ["pickup", "code", "pickup_code_count", "url", "card", "idcardio"])
def test_other_names_stay(key: str) -> None:
    """A part of a name, and what is counted of it, hides nothing."""
    assert redactor.value(key, "value") == "value"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("order ACME-123456 is paid", f"order {REDACTED} is paid"),
        ("ACME-123456 ACME-654321", f"{REDACTED} {REDACTED}"),
        ("größe ACME-123456 ✓ \udc80", f"größe {REDACTED} ✓ \udc80"),
        ("ACME-12345", "ACME-12345"),
        ("%41CME-123456", REDACTED),
        (12345678901, REDACTED),
        (1234567890, 1234567890),
        (["ACME-123456"], [REDACTED]),
        (b"ACME-123456", REDACTED),
    ],
)
def test_what_the_pattern_matches_is_hidden(value: Any, shown: Any) -> None:
    """In texts, bytes, numbers and what holds them, and nothing else of them."""
    assert redactor.value("field", value) == shown
    assert plain.value("field", value) == value


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(a+)+$", "a" * 5_000 + "!"),
        (r"(?:x|a|aa|aaa)*b", "a" * 32_000),
        (r"a.*b|a", "a" * 32_000),
        (r"(\w+\s?)*\.", "word " * 6_000),
        (r"(?:.*,){20}z", ",".join("x" * 30_000)),
    ],
)
def test_no_pattern_takes_long(pattern: str, text: str) -> None:
    """Patterns for which Python's own needs years end in time for a long text."""
    hostile = Redactor(pattern=pattern)
    began = time.thread_time()
    hostile.text(text)
    assert time.thread_time() - began < 2.0


def test_the_rest_of_a_text_with_many_matches_is_hidden() -> None:
    """No text can make the pattern begin again without end; what is not looked at is not shown."""
    text = "ACME-123456 and " * 1_000
    shown = redactor.text(text)
    assert "ACME-" not in shown
    assert len(shown) < len(text) // 4


async def test_rules_of_the_app_hold_everywhere(otlp: Receiver, tmp_path: Path) -> None:
    """A line, its exception, a span and an error report hide what the app's rules name."""
    app = FastAPI()

    @app.get("/orders/{number}")
    async def order(number: str) -> None:
        trace.get_current_span().set_attribute("pickup.code", "S3cr3tValue")
        trace.get_current_span().set_attribute("order", number)
        get_logger(__name__).info("read ACME-123456", webhook_url="S3cr3tValue", count=3, ok=True)
        raise ValueError("pickup_code=S3cr3tValue of ACME-123456")

    with sentry_receiver() as sentry, recording_logs() as logs:
        async with observed(
            app,
            otlp,
            redact_names=NAMES,
            redact_pattern=PATTERN,
            error_tracking_enabled=True,
            sentry_dsn=sentry.dsn,
        ) as client:
            answer = await client.get("/orders/ACME-123456")
        lines = logs.lines
        events = [json.dumps(event) for event in sentry.events]
    written = json.dumps(lines)
    spans = str(otlp.spans)
    assert len(events) == 1
    for text in (written, spans, *events):
        assert "ACME-123456" not in text
        assert "S3cr3tValue" not in text
        assert REDACTED in text
    (line,) = [line for line in lines if line["logger"] == __name__]
    assert line["message"] == f"read {REDACTED}"
    assert (line["count"], line["ok"]) == (3, True)
    assert line["request_id"] == answer.headers["X-Request-ID"]
    (access,) = [line for line in lines if line["message"] == "Request failed"]
    assert access["status_code"] == 500


def test_ids_and_numbers_of_ours_are_no_secrets_of_the_apps(tmp_path: Path) -> None:
    """A pattern that matches hexadecimal keys leaves trace ids, our request ids and durations."""
    settings = Settings(redact_pattern=r"[0-9a-f]{16,}|\b[0-9]+\b")
    with Logged(tmp_path / "log", settings) as logged:
        fields = {
            "request_id": "4f0c9d5e8a7b4c2d9e1f0a3b5c7d9e1f",
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "span_id": "b7ad6b7169203331",
        }
        logged.pipeline.access({**fields, "status_code": 200, "duration_ms": 7})
        get_logger(__name__).info("key", key_of="0af7651916cd43dd8448eb211c80319c", port=8080)
        access, other = logged.lines()
    assert {name: access[name] for name in fields} == fields
    assert (access["status_code"], access["duration_ms"]) == (200, 7)
    assert (other["key_of"], other["port"]) == (REDACTED, REDACTED)


@pytest.mark.parametrize(
    ("variable", "held", "takes"),
    [
        ("ETTER_OBS_REDACT_PATTERN", "(", "missing )"),
        ("ETTER_OBS_REDACT_PATTERN", "(?<=a)b", "look-around"),
        ("ETTER_OBS_REDACT_PATTERN", "x*", "does not match the empty string"),
        ("ETTER_OBS_REDACT_PATTERN", "a" * 5_000, "at most 4096"),
        ("ETTER_OBS_REDACT_PATTERN", "((a{100}){100}){100}", "a regular expression of RE2"),
        ("ETTER_OBS_REDACT_NAMES", "card.*", "names such as pickup_code"),
        ("ETTER_OBS_REDACT_NAMES", "a, --", "names such as pickup_code"),
    ],
)
def test_a_rule_that_cannot_be_used_is_one_clear_error(
    variable: str, held: str, takes: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The error names the variable, its value and what it accepts; so does the argument's."""
    with pytest.raises(SettingsError, match=variable) as raised:
        Settings.from_env({variable: held})
    assert takes in str(raised.value)
    given = {"redact_names": (held,)} if "NAMES" in variable else {"redact_pattern": held}
    with pytest.raises(SettingsError, match=variable):
        Settings(**given)
    assert capfd.readouterr() == ("", "")


def test_without_its_package_a_pattern_stops_the_start(tmp_path: Path) -> None:
    """Continuing would expose what the pattern hides: one line says what to install."""
    (tmp_path / "re2.py").write_text("raise ModuleNotFoundError('no re2', name='re2')\n")
    code = "from fastapi import FastAPI; from etter_obs import *; setup_observability(FastAPI())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "PYTHONPATH": str(tmp_path),
            "ETTER_OBS_REDACT_PATTERN": "ACME-[0-9]+",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    (said,) = done.stderr.splitlines()
    assert "google-re2 is not installed" in said
    assert "pip install 'etter-obs[redaction]'" in said
