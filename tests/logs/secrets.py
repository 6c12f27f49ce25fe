"""Secrets of every shape that the rules know, all made up."""

from __future__ import annotations

import base64
import string

from hypothesis import strategies as st

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
BASIC = base64.b64encode(b"admin:correct-horse").decode()

# A secret alone is one wherever it stands.
ALONE = {
    "jwt": JWT,
    "aws": "AKIA" + "IOSFODNN7EXAMPLE",
    "github": "ghp_" + "a1B2" * 9,
    "github-fine": "github_pat_" + "a1B2" * 8,
    "gitlab": "glpat-" + "x9Y8" * 5,
    "slack": "xoxb-" + "123456789012-abcdefABCDEF",
    "slack-hook": "hooks.slack.com/services/T0001/B0001/XXXXyyyyZZZZ",
    "stripe": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "openai": "sk-" + "proj_abcdefghijklmnopqrstu0123456789",
    "google": "AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
    "card": "4111 1111 1111 1111",
    "card-dashes": "5500-0000-0000-0004",
    "card-amex": "378282246310005",
    "e-mail": "ada.lovelace@example.co.uk",
}
# These need what stands before them.
INTRODUCED = {
    "bearer": ("Authorization: Bearer ", "mF_9.B5f-4.1JqM"),
    "bearer-alone": ("bearer ", "abcdefghijklmnop"),
    "basic": ("Authorization: Basic ", BASIC),
    "cookie": ("Set-Cookie: ", "sid=38afes7a8; Path=/"),
    "url": ("postgresql://", "etter:s3cr3t"),
    "url-at": ("redis://:", "p@ss:w@rd"),
    "url-slash": ("amqp://etter:", "pa/ss"),
    "sentry-dsn": ("https://", "0123456789abcdef0123456789abcdef"),
    "assigned": ("password=", "hunter2"),
    "assigned-json": ('{"client_secret": "', "hunter2 and more"),
    "assigned-repr": ("User(api_key='", "hunter2"),
    "query": ("/callback?access_token=", "hunter2"),
}
AFTER = {
    "url": "@db.internal:5432/etter",
    "url-at": "@cache:6379/0",
    "url-slash": "@mq/vhost",
    "sentry-dsn": "@o1.ingest.sentry.io/42",
    "assigned-json": '"}',
    "assigned-repr": "')",
    "query": "&state=1",
}
EXAMPLES = [
    *((name, secret, secret) for name, secret in ALONE.items()),
    *(
        (name, before + secret + AFTER.get(name, ""), secret)
        for name, (before, secret) in INTRODUCED.items()
    ),
]

_PASSWORDS = st.text(string.ascii_letters + string.digits, min_size=12, max_size=24).map(
    lambda text: f"Zq{text}7x"
)


def _luhn_complete(digits: str) -> str:
    total = sum(
        sum(divmod(int(digit) * 2, 10)) if index % 2 == 0 else int(digit)
        for index, digit in enumerate(reversed(digits))
    )
    return digits + str(-total % 10)


def planted() -> st.SearchStrategy[tuple[str, str]]:
    """Return (text, secret): texts that hold a random secret in a shape that the rules know."""
    return st.one_of(
        _PASSWORDS.map(lambda secret: (f"password={secret}", secret)),
        _PASSWORDS.map(lambda secret: (f'"api_key": "{secret}"', secret)),
        _PASSWORDS.map(lambda secret: (f"Bearer {secret}", secret)),
        _PASSWORDS.map(lambda secret: (f"postgres://etter:{secret}@db/etter", secret)),
        _PASSWORDS.map(lambda secret: (f"https://{secret}@sentry.example/1", secret)),
        _PASSWORDS.map(lambda secret: (f"{secret}@example.com", secret)),
        _PASSWORDS.map(lambda secret: (f"eyJ{secret}.{secret}.{secret}", secret)),
        _PASSWORDS.map(lambda secret: (f"sk_live_{secret}", secret)),
        st.text("0123456789", min_size=14, max_size=14)
        .map(lambda digits: _luhn_complete(f"4{digits}"))
        .map(lambda card: (card, card)),
    )
