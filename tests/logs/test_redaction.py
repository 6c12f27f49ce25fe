"""What is hidden, and what is not."""

from __future__ import annotations

import time

import pytest

from etter_obs._internal.logs import REDACTED, Redactor
from etter_obs._internal.redaction.plain_values import cut
from etter_obs._internal.redaction.secret_names import is_sensitive
from tests.logs.secrets import EXAMPLES

redactor = Redactor()


@pytest.mark.parametrize(("text", "secret"), [pytest.param(*e[1:], id=e[0]) for e in EXAMPLES])
@pytest.mark.parametrize("around", ["{}", "see {} there", "({})", "x,{},y", "\n{}\n", '"{}"'])
def test_a_secret_is_hidden(text: str, secret: str, around: str) -> None:
    """A secret of every shape disappears from text around it, which stays."""
    shown = redactor.text(around.format(text))
    assert secret not in shown
    assert REDACTED in shown
    assert redactor.may_match(around.format(text))
    if around.startswith("see"):
        assert shown.startswith("see ")


@pytest.mark.parametrize(
    "text",
    [
        "Request completed",
        "GET /api/v1/companies/4711?page=2",
        "4f0c9d5e8a7b4c2d9e1f0a3b5c7d9e1f",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "1760000000123456789",
        "4111 1111 1111 1112",
        "2026-01-02T03:04:05.678901Z",
        "https://example.com:8080/path/to?x=1#y",
        "connecting to db.internal:5432",
        "basic authentication is required",
        "the bearer of news",
        "price: 12.50, tokens: many",
        "risk-assessment",
        "user@localhost",
        "etter@1.2.3",
        "keyboard=us",
        "SELECT * FROM users WHERE id = 1",
        "auth: failed for user",
        "return load(number, session=session)",
        "session: AsyncSession = Depends(open_session)",
        "usage: login <password> [--token-type x]",
        "GET /a%20b?x=1%2B2&y=100%25 HTTP/1.1",
        "author: bob, sessions: 5, pass_rate=3, max_tokens: 9",
        "{'fields': ['name', 'password', 'email']}",
        "requires_auth=True password=None",
        "Key (id) is missing, primary key: 7",
        "http://[::1]:8000/ and http://h:80…",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    """What only resembles a secret is shown as it is."""
    assert redactor.text(text) == text


@pytest.mark.parametrize(
    "key",
    [
        *("password", "userPassword", "db_password_old", "X-API-Key", "apikey", "client_secret"),
        *("Cookie", "Set-Cookie", "authorization", "refreshToken", "SENTRY_DSN", "card_number"),
        *("aws_secret_access_key", "private-key", "PASSWD", "http.request.header.authorization"),
        *("sessionid", "cookies", "secrets", "client_secrets", "api_keys", "apiKeys", "otp_code"),
        *("private_keys", "access_tokens", "idTokens", "refresh_tokens", "pass", "DB_PASS", "auth"),
        *("x-auth", "session", "totp", "dsn_url", "AccountKey", "PHPSESSID", "authtokens"),
    ],
)
def test_a_key_that_names_a_secret(key: str) -> None:
    """Any value under such a key is hidden, however the key is spelled."""
    assert is_sensitive(key)
    assert redactor.value(key, "anything") == REDACTED
    assert redactor.value(key, 1234) == REDACTED
    assert redactor.value(key, {"a": "b"}) == REDACTED


@pytest.mark.parametrize(
    "key",
    [
        *("token_count", "tokens", "cache_key", "secretary", "password_length", "path", "method"),
        *("status_code", "trace_id", "request_id", "monkey", "passenger", "pinned", "author"),
        *("authors", "session_count", "sessions", "passed", "bypass", "tokens_used", "max_tokens"),
        *("auth_method", "pass_rate", "primary_key", "keyboard", "design", "token_counts"),
    ],
)
def test_a_key_that_names_none(key: str) -> None:
    """A key that only sounds like a secret hides nothing."""
    assert not is_sensitive(key)
    assert redactor.value(key, "anything") == "anything"


def test_mappings_are_cleaned_in_depth() -> None:
    """Nested values, keys that are secrets themselves, and card numbers are hidden; types stay."""
    cleaned = redactor.mapping(
        {
            "user": {"email": "ada@example.com", "tokens": [{"token": "abc"}], "age": 36},
            "ada@example.com": 1,
            "card": 4111111111111111,
            "total": 4111111111111111.0,
            "change": -4111111111111111,
            "headers": [("host", "a"), (b"cookie", b"b=c"), ["x-api-key", "abc"]],
            "field": {"name": "password", "value": "abc"},
            "body": b"password=abc",
            "errors": [{"loc": ("body", "name"), "msg": "no", "input": "abc"}],
            "ok": (True, None, 1.5, "plain", b"plain", float("inf")),
        }
    )
    assert cleaned == {
        "user": {"email": REDACTED, "tokens": [{"token": REDACTED}], "age": 36},
        REDACTED: 1,
        "card": REDACTED,
        "total": REDACTED,
        "change": REDACTED,
        "headers": [("host", "a"), (b"cookie", REDACTED), ["x-api-key", REDACTED]],
        "field": {"name": "password", "value": REDACTED},
        "body": f"password={REDACTED}",
        "errors": [{"loc": ("body", "name"), "msg": "no", "input": REDACTED}],
        "ok": (True, None, 1.5, "plain", b"plain", float("inf")),
    }


@pytest.mark.parametrize("before", ["", "a ", "a,", "a\n", '{"dsn": "'])
def test_half_a_secret_does_not_outlive_a_cut(before: str) -> None:
    """Wherever a text is cut in the middle of a secret, neither half of it is shown."""
    text = f"{before}postgres://etter:Hunter2Zq9@db/x"
    for limit in range(1, len(text)):
        assert "Hunter" not in redactor.text(cut(text, limit))


@pytest.mark.parametrize(
    "text",
    [
        *("a" * 200_000, "password" * 20_000, "a@" * 100_000, "4 " * 100_000, "eyJ" * 60_000),
        *("://" * 60_000, "bearer " * 30_000, '"' * 200_000, "-----BEGIN " * 20_000),
        *('password="' * 20_000, "authorization:" * 15_000, "x@" + "a." * 100_000),
        *("password=(" * 20_000, "('password',(" * 15_000, "<password>" * 20_000, "%2525" * 40_000),
        *('name="password" ' * 12_000, "password:\n" * 18_000, "--password " * 18_000),
        *("a@b.c" + "://a:" * 40_000, '\\"password\\":\\"' * 12_000, "%41" * 66_000),
        *("password=(" + "\\" * 200_000, "auth=" * 40_000, "[SQL: " * 30_000, "%0a " * 50_000),
        *("://a:" * 40_000, "-----BEGIN PRIVATE KEY-----" * 7_000, "a." * 100_000),
    ],
    ids=lambda text: text[:12],
)
def test_no_text_takes_long(text: str) -> None:
    """Rules take time in proportion to the text: of characters made to hurt, four times as many
    take about four times as long, and nowhere near sixteen times.
    """  # noqa: D205

    def took(part: str) -> float:
        began = time.thread_time()
        redactor.text(part)
        return time.thread_time() - began

    quarter = min(took(text[: len(text) // 4]) for _ in range(2))
    assert took(text) < 9 * quarter + 0.2
