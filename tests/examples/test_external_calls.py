"""Calls of other services: only of those allowed, some at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from examples.etter_backend.common.async_helpers import ExternalServices
from examples.etter_backend.common.exceptions import ExternalServiceError
from examples.etter_backend.controls.features import Feature, FeatureSwitch
from tests.http_server import Call, http_server


class Elsewhere:
    """A server that must not be called, and one that may."""

    allowed = ""
    secret = ""
    calls = 0


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """Run both."""
    found = Elsewhere()

    def secret(_: Call) -> tuple[int, bytes]:
        found.calls += 1
        return 200, b'["secret"]'

    def allowed(call: Call) -> tuple[int, bytes]:
        if call.path == "/big":
            return 200, b"[" + b"1," * 200_000 + b"1]"
        return 200, b"<html>" if call.path == "/html" else b'["fine"]'

    with http_server(secret) as found.secret, http_server(allowed) as found.allowed:
        yield found


async def test_only_allowed_origins_are_called(elsewhere: Elsewhere) -> None:
    """Another port, host or scheme, or a user part in front of it, is refused unasked."""
    external = ExternalServices(FeatureSwitch(Feature), [elsewhere.allowed])
    assert await external.get_json("models", f"{elsewhere.allowed}/x") == ["fine"]
    host = elsewhere.allowed.removeprefix("http://")
    hidden = elsewhere.secret.removeprefix("http://")
    for url in (
        elsewhere.secret,
        f"http://{host}@{hidden}/",
        f"http://{hidden}#@{host}",
        f"http://{hidden}\\@{host}",
        f"https://{host}/",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "http://[::1/",
        "",
    ):
        with pytest.raises(ExternalServiceError):
            await external.get_json("models", url)
    assert elsewhere.calls == 0
    await external.close()


async def test_an_answer_that_is_too_long_or_no_json_is_an_error(elsewhere: Elsewhere) -> None:
    """Neither is read to its end nor handed on."""
    external = ExternalServices(FeatureSwitch(Feature), [elsewhere.allowed])
    for path in ("/big", "/html"):
        with pytest.raises(ExternalServiceError):
            await external.get_json("models", f"{elsewhere.allowed}{path}")
    await external.close()


@pytest.mark.parametrize(("enabled", "most"), [(True, 8), (False, 1)])
async def test_calls_run_at_once_but_not_all(enabled: bool, most: int) -> None:
    """At most eight run together with the switch, one without; the results are in order."""
    features = FeatureSwitch(Feature if enabled else set(Feature) - {Feature.PARALLEL_CALLS})
    external = ExternalServices(features, [])
    running = highest = 0

    async def call(number: int) -> int:
        nonlocal running, highest
        running += 1
        highest = max(highest, running)
        await asyncio.sleep(0.001)
        running -= 1
        return number * number

    assert await external.gather(call, range(20)) == [number * number for number in range(20)]
    assert highest == most
    await external.close()
