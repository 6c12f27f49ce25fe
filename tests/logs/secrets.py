"""Invented secrets of every shape that the rules recognise."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Callable
from urllib.parse import quote, quote_plus

from hypothesis import strategies as st

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
BASIC = base64.b64encode(b"admin:correct-horse").decode()

# A secret alone is found anywhere.
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
# These are found by the text before them.
INTRODUCED = {
    "bearer": ("Authorization: Bearer ", "mF_9.B5f-4.1JqM"),
    "bearer-alone": ("bearer ", "abcdefghijklmnop"),
    "basic": ("Authorization: Basic ", BASIC),
    "basic-alone": ("basic ", BASIC),
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
SECRET = "Hunter2Zq9"
# What programs write that were given a secret.
WRITTEN = {
    "nested": "{'password': {'value': 'Hunter2Zq9'}}",
    "listed": "{'passwords': ['a', 'Hunter2Zq9'], 'b': 1}",
    "bytes": "{'password': b'a Hunter2Zq9'}",
    "yaml-block": "password: |\n  first\n\n  Hunter2Zq9",
    "yaml-below": "password:\n  value: Hunter2Zq9",
    "xml": "<password>a Hunter2Zq9</password>",
    "xml-namespace": '<s:password type="text">Hunter2Zq9</s:password>',
    "multipart": 'Content-Disposition: form-data; name="password"\r\n\r\na Hunter2Zq9\r\n--b--',
    "json-in-json": json.dumps(json.dumps({"password": 'a " Hunter2Zq9'})),
    "json-in-json-in-json": json.dumps(json.dumps(json.dumps({"password": "Hunter2Zq9"}))),
    "pair": "ValueError: ('password', 'Hunter2Zq9')",
    "pair-of-bytes": "[(b'host', b'x'), (b'cookie', b'session=Hunter2Zq9')]",
    "pair-of-header": '[["x-api-key", "Hunter2Zq9"]]',
    "name-and-value": '{"name": "password", "value": "Hunter2Zq9", "type": "hidden"}',
    "cookies": "cookies={'a': 'Hunter2Zq9'}",
    "quoted-cookie": 'Cookie: a="Hunter2Zq9"; b=Hunter2Zq9',
    "plural": "refresh_tokens=Hunter2Zq9",
    "compound": "AccountName=x;AccountKey=Hunter2Zq9==",
    "dsn": "dsn_url=Hunter2Zq9",
    "otp": "otp_code=Hunter2Zq9",
    "pass": "DB_PASS=Hunter2Zq9",
    "session": "session=Hunter2Zq9",
    "auth": "auth=('bob', 'Hunter2Zq9')",
    "option": "run --password Hunter2Zq9",
    "index": "settings['password'] = 'Hunter2Zq9'",
    "compared": "token == 'Hunter2Zq9'",
    "words": "API key: Hunter2Zq9",
    "name-after-name": "credentials: password: Hunter2Zq9",
    "name-in-value": "token=settings['password'] = 'Hunter2Zq9'",
    "form-field": "user[password]=Hunter2Zq9",
    "sqlalchemy-tuple": "(x.E) y\n[SQL: z]\n[parameters: ('bob', 'Hunter2Zq9')]\n(Background on y)",
    "sqlalchemy-statement": "(x.E) y\n[SQL: UPDATE t SET a[1] = 'Hunter2Zq9']\n"
    "[parameters: ('Hunter2Zq9',)]",
    "sqlalchemy-mapping": "(x.E) y\n[parameters: {'a': 'x]', 'b': 'Hunter2Zq9'}]",
    "sqlalchemy-rows": "(x.E) y\n[parameters: [(1, 'Hunter2Zq9'), (2, 'b')  ... displaying 10 of "
    "100 total bound parameter sets ...  (99, 'Hunter2Zq9')]]",
    "sqlalchemy-echo": "[generated in 0.00013s] ('bob', 'Hunter2Zq9')",
    "sqlalchemy-cached": "[cached since 1.2s ago (insertmanyvalues) 1/1] ('Hunter2Zq9', 1)",
    "postgres-key": "DETAIL:  Key (lower(name), code)=(Hunter2Zq9, 1) already exists.",
    "postgres-row": "DETAIL:  Failing row contains (1, bob, Hunter2Zq9).",
    "mysql-key": "(1062, \"Duplicate entry 'Hunter2Zq9' for key 'users.name'\")",
    "pydantic": "1 validation error for Login\npassword\n  String should have at least 8 "
    "characters [type=string_too_short, input_value='Hunter2Zq9', input_type=str]",
    "fastapi": "1 validation error:\n  {'type': 'string_type', 'loc': ('body', 'password'), "
    "'msg': 'Input should be a valid string', 'input': ['Hunter2Zq9']}",
    "private-key": "-----BEGIN EC PRIVATE KEY-----\nMHc Hunter2Zq9\n-----END EC PRIVATE KEY-----",
    "jwe": "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..iv34567890123456.Hunter2Zq9.abc",
    "url-in-query": "/x?next=" + quote("postgres://etter:Hunter2Zq9@db", safe=""),
    "token-in-query": "/x?next=" + quote("/reset?token=Hunter2Zq9&a=1", safe=""),
    "e-mail-in-query": "/x?a=1&who=" + quote("Hunter2Zq9@example.org"),
    "space-in-query": "/x?next=" + quote("password=a Hunter2Zq9"),
    "json-in-query": "/x?q=" + quote('{"password": "a Hunter2Zq9"}'),
    "encoded-twice": "/x?next=" + quote(quote("/y?token=a Hunter2Zq9")),
    "encoded-name": "user%5Bpassword%5D=Hunter2Zq9",
}
CARD_IN_QUERY = quote_plus(ALONE["card"])
EXAMPLES = [
    *((name, text, SECRET) for name, text in WRITTEN.items()),
    ("card-in-query", f"/x?card={CARD_IN_QUERY}&a=1", CARD_IN_QUERY),
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
    """Return (text, secret): texts that hold a random secret in a shape that the rules know.

    A text may be written once more, as programs do: as JSON, as a ``repr``, in a query string.
    """
    return st.tuples(_plain(), st.sampled_from(_WRITINGS)).map(
        lambda given: (given[1](given[0][0]), given[0][1])
    )


_WRITINGS: list[Callable[[str], str]] = [
    str,
    str,
    lambda text: json.dumps({"body": text}),
    lambda text: json.dumps(json.dumps([text])),
    lambda text: repr({"body": text}),
    lambda text: f"/x?a=1&q={quote(text)}",
    lambda text: f"/x?q={quote_plus(text, safe='')}&a=1",
    lambda text: f"https://h.example/x?q={quote(quote(text, safe=''), safe='')}",
]


def _plain() -> st.SearchStrategy[tuple[str, str]]:
    return st.one_of(
        st.tuples(st.sampled_from(sorted(WRITTEN.values())), _PASSWORDS).map(
            lambda given: (given[0].replace(SECRET, given[1]), given[1])
        ),
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
