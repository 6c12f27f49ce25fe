"""The four endpoints: their shapes, their codes, and who may see what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from etter_obs._internal.conventions import HealthReason
from etter_obs._internal.health import Health
from etter_obs._internal.settings import Settings
from tests.health.asking import ask

SECRET = "postgresql://etter:hunter2@db.internal/etter"


def broken() -> None:
    """Fail as a driver does: with the DSN in the text."""
    raise OSError(f"could not connect to {SECRET}")


def health(**settings: object) -> Health:
    """Health with one check that passes and one that fails."""
    made = Health(Settings(**settings))  # type: ignore[arg-type]
    made.add("search", lambda: None)
    made.add("database", broken, critical=False)
    return made


async def test_detailed_has_the_plain_format() -> None:
    """The answer is status, timestamp in UTC, and one word or reason for each check."""
    response = await ask(health(), "/health/detailed")
    body = response.json()
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    told = datetime.fromisoformat(body.pop("timestamp"))
    assert abs(datetime.now(UTC) - told) < timedelta(seconds=10)
    assert body == {
        "status": "degraded",
        "checks": {"search": "healthy", "database": "unhealthy: unreachable"},
    }


async def test_health_json_is_given_to_those_who_ask_for_it() -> None:
    """With Accept: application/health+json the draft's shape comes, under its media type."""
    accept = {"accept": "text/html;q=0.1, application/health+json"}
    response = await ask(health(), "/health/detailed", headers=accept)
    body = response.json()
    assert response.headers["content-type"] == "application/health+json"
    assert response.headers["vary"] == "accept"
    assert body["status"] == "warn"
    (passed,) = body["checks"]["search:responseTime"]
    (failed,) = body["checks"]["database:responseTime"]
    assert passed["status"] == "pass"
    assert passed["observedUnit"] == "ms"
    assert passed["observedValue"] >= 0
    assert (failed["status"], failed["output"]) == ("fail", "unreachable")


async def test_a_type_that_is_refused_is_not_given() -> None:
    """q=0 refuses the draft's type, so the plain format comes."""
    response = await ask(
        health(), "/health/live", headers={"accept": "application/health+json;q=0, */*"}
    )
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["live", "ready", "startup", "detailed"])
@pytest.mark.parametrize("accept", ["*/*", "application/health+json"])
async def test_no_answer_tells_what_an_exception_said(path: str, accept: str) -> None:
    """No part of the exception's text, host or DSN is in any answer or header."""
    checks = health()
    checks.add("other", broken)
    response = await ask(checks, f"/health/{path}", headers={"accept": accept})
    told = response.text + str(response.headers)
    assert not [part for part in ("hunter2", "db.internal", "connect", "OSError") if part in told]


VOCABULARY = {"healthy"} | {f"unhealthy: {reason}" for reason in HealthReason}


@given(
    text=st.text(),
    error=st.sampled_from([OSError, ValueError, TimeoutError, KeyError, ConnectionResetError]),
    answer=st.one_of(
        st.none(), st.booleans(), st.text(), st.binary(), st.sampled_from(HealthReason)
    ),
    raises=st.booleans(),
)
async def test_whatever_a_check_says_the_answer_is_of_the_vocabulary(
    text: str, error: type[Exception], answer: object, raises: bool
) -> None:
    """No returned value and no exception adds text to the answer."""

    def check() -> object:
        if raises:
            raise error(text)
        return answer

    checks = Health(Settings())
    checks.add("any", check)
    body = (await ask(checks, "/health/detailed")).json()
    assert set(body) == {"status", "timestamp", "checks"}
    assert body["checks"]["any"] in VOCABULARY


async def test_the_public_answers_name_no_check() -> None:
    """live, ready and startup show the state of the whole app, and of no part."""
    checks = health()
    checks.add("orders", broken)
    for path in ("live", "ready", "startup"):
        body = (await ask(checks, f"/health/{path}", client="203.0.113.9")).json()
        assert set(body) == {"status", "timestamp"}


async def test_ready_asks_the_critical_checks_alone() -> None:
    """An optional failure leaves the process ready; a critical one makes it 503."""
    checks = health()
    asked: list[int] = []
    checks.add("cache", lambda: asked.append(1), critical=False)
    response = await ask(checks, "/health/ready")
    assert (response.status_code, response.json()["status"]) == (200, "healthy")
    assert asked == []
    checks.add("database", broken, critical=True)
    response = await ask(checks, "/health/ready")
    assert (response.status_code, response.json()["status"]) == (503, "unhealthy")
    assert (await ask(checks, "/health/detailed")).status_code == 503
    assert (await ask(checks, "/health/live")).status_code == 200


async def test_draining_is_not_ready_but_alive() -> None:
    """Once draining, ready is 503 with its reason and live stays 200."""
    checks = health()
    assert (await ask(checks, "/health/ready")).status_code == 200
    checks.drain()
    response = await ask(checks, "/health/ready")
    assert (response.status_code, response.json()["reason"]) == (503, "draining")
    assert (await ask(checks, "/health/live")).status_code == 200
    assert (await ask(checks, "/health/startup")).status_code == 200


async def test_head_has_the_headers_without_the_body() -> None:
    """HEAD answers as GET would, without the bytes."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "HEAD", "headers": []}
    await health().endpoints["/health/live"](scope, receive, send)
    start, body = sent
    assert start["status"] == 200
    assert int(dict(start["headers"])[b"content-length"]) > 0
    assert body["body"] == b""


async def test_other_methods_are_refused() -> None:
    """POST returns 405 with the allowed methods."""
    response = await ask(health(), "/health/live", method="POST")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (b"Bearer right-token", 200),
        (b"bearer right-token", 200),
        (b"Bearer wrong-token", 401),
        (b"Bearer ", 401),
        (b"Basic right-token", 401),
        (b"right-token", 401),
        (b"Bearer r\xedght", 401),
        (None, 401),
    ],
)
async def test_with_a_token_only_its_bearer_sees_the_detail(
    given: bytes | None, status: int
) -> None:
    """The token opens the detail from anywhere; without it not even loopback sees it."""
    checks = health(health_token="right-token")
    headers = {} if given is None else {b"Authorization": given}
    for client in ("127.0.0.1", "203.0.113.9"):
        response = await ask(checks, "/health/detailed", headers=headers, client=client)
        assert response.status_code == status
        assert ("checks" in response.json()) is (status == 200)
        assert (response.headers.get("www-authenticate") == "Bearer") is (status == 401)


@pytest.mark.parametrize(
    ("client", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("127.8.8.8", {}, 200),
        ("::1", {}, 200),
        ("::ffff:127.0.0.1", {}, 200),
        ("203.0.113.9", {}, 403),
        ("10.0.0.7", {}, 403),
        ("::ffff:203.0.113.9", {}, 403),
        ("testclient", {}, 403),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, 403),
        ("127.0.0.1", {"forwarded": "for=127.0.0.1"}, 403),
        ("127.0.0.1", {"via": "1.1 proxy"}, 403),
    ],
)
async def test_without_a_token_only_loopback_sees_the_detail(
    client: str, headers: dict[str, str], status: int
) -> None:
    """Loopback sees the detail unless a proxy speaks for someone else; others are refused."""
    response = await ask(health(), "/health/detailed", client=client, headers=headers)
    assert response.status_code == status
    assert ("checks" in response.json()) is (status == 200)
