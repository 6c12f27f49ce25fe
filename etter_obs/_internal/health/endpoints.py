"""A health endpoint as a plain ASGI app: no route, no schema, no middleware of the app.

The answer has two formats: plain JSON with ``status`` and ``checks``, and
``application/health+json`` (draft-inadarei-api-health-check-06) if the client's Accept header names
it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from starlette.types import Receive, Scope, Send

from etter_obs._internal.conventions import HealthReason, HealthStatus
from etter_obs._internal.health.outcome import Summary

Answer = Callable[[], Awaitable[Summary]]

_JSON: Final = b"application/json"
_HEALTH_JSON: Final = b"application/health+json"
_DRAFT_STATUS: Final = {
    HealthStatus.HEALTHY: "pass",
    HealthStatus.DEGRADED: "warn",
    HealthStatus.UNHEALTHY: "fail",
}


class HealthEndpoint:
    """Answers GET and HEAD with the summary from ``answer``.

    Args:
        answer: returns the summary.
        before: called first at each request.
        may_see: returns whether the request may see the answer; None allows every request.
        token_is_set: whether a refused client gets 401 and a request for the token, not 403.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        before: Callable[[], None] | None,
        may_see: Callable[[Scope], bool] | None,
        token_is_set: bool,
    ) -> None:
        self._answer = answer
        self._before = before
        self._may_see = may_see
        self._token_is_set = token_is_set

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if self._before is not None:
            self._before()
        headers = [(b"cache-control", b"no-store"), (b"vary", b"accept")]
        media_type = _JSON
        if scope["method"] not in ("GET", "HEAD"):
            status, body = 405, {"detail": "GET or HEAD"}
            headers.append((b"allow", b"GET, HEAD"))
        elif self._may_see is not None and not self._may_see(scope):
            status, body = self._refusal(headers)
        else:
            summary = await self._answer()
            status = 503 if summary.status is HealthStatus.UNHEALTHY else 200
            if _wants_health_json(scope):
                media_type, body = _HEALTH_JSON, _health_json(summary)
            else:
                body = _summary_json(summary)
        content = orjson.dumps(body)
        headers += [
            (b"content-type", media_type),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send(
            {"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content}
        )

    def _refusal(self, headers: list[tuple[bytes, bytes]]) -> tuple[int, dict[str, Any]]:
        if self._token_is_set:
            headers.append((b"www-authenticate", b"Bearer"))
            return 401, {"detail": "send the header Authorization: Bearer <health token>"}
        return 403, {"detail": "allowed only from loopback; set a token or use the management port"}


def _wants_health_json(scope: Scope) -> bool:
    """Return whether an Accept header names the type and accepts it (RFC 9110, section 12.5.1)."""
    for name, value in scope["headers"]:
        if name == b"accept":
            for item in value.lower().split(b","):
                media_type, *parameters = (part.strip() for part in item.split(b";"))
                if media_type == _HEALTH_JSON:
                    return not any(p.replace(b".", b"").strip(b"0") == b"q=" for p in parameters)
    return False


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _summary_json(summary: Summary) -> dict[str, Any]:
    body: dict[str, Any] = {"status": summary.status, "timestamp": _now()}
    if summary.reason is not HealthReason.OK:
        body["reason"] = summary.reason
    if summary.outcomes is not None:
        body["checks"] = {
            name: HealthStatus.HEALTHY.value
            if outcome.healthy
            else f"{HealthStatus.UNHEALTHY}: {outcome.reason}"
            for name, outcome in summary.outcomes.items()
        }
    return body


def _health_json(summary: Summary) -> dict[str, Any]:
    body: dict[str, Any] = {"status": _DRAFT_STATUS[summary.status]}
    if summary.reason is not HealthReason.OK:
        body["output"] = summary.reason
    if summary.outcomes is not None:
        body["checks"] = {
            f"{name}:responseTime": [
                {
                    "status": "pass" if outcome.healthy else "fail",
                    "observedValue": round(outcome.duration * 1_000, 3),
                    "observedUnit": "ms",
                    "time": outcome.at.isoformat(timespec="milliseconds"),
                }
                | ({} if outcome.healthy else {"output": outcome.reason})
            ]
            for name, outcome in summary.outcomes.items()
        }
    return body
