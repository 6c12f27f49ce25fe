"""A real HTTP receiver that takes Sentry's envelopes and parses them.

The format is https://develop.sentry.dev/sdk/data-model/envelopes/: a line of JSON headers, then
items, each a line of JSON headers and a payload of the length they say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.http_server import Call, http_server


class SentryReceiver:
    """What a project received, as parsed JSON; ``raw`` holds every byte of it."""

    def __init__(self) -> None:
        self.dsn = ""
        self.events: list[dict[str, Any]] = []
        self.authorizations: list[str] = []
        self.raw = b""


def parse_envelope(body: bytes) -> list[tuple[dict[str, Any], bytes]]:
    """Return the (headers, payload) of every item of an envelope."""
    headers, _, rest = body.partition(b"\n")
    assert isinstance(json.loads(headers), dict)
    items = []
    while rest.strip():
        line, _, rest = rest.partition(b"\n")
        header = json.loads(line)
        length = header.get("length", rest.find(b"\n"))
        items.append((header, rest[:length]))
        rest = rest[length:].removeprefix(b"\n")
    return items


@contextmanager
def sentry_receiver(status: int = 200) -> Iterator[SentryReceiver]:
    """Receive envelopes for project 42 on loopback, answering with ``status``."""
    received = SentryReceiver()

    def answer(call: Call) -> tuple[int, bytes]:
        assert call.path == "/api/42/envelope/"
        received.raw += call.body
        received.authorizations.append(call.headers["x-sentry-auth"])
        for header, payload in parse_envelope(call.body):
            if header["type"] == "event":
                received.events.append(json.loads(payload))
        return status, b"{}"

    with http_server(answer) as url:
        received.dsn = url.replace("://", "://publickey@") + "/42"
        yield received
