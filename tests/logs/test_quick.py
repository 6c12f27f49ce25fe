"""The quick way of rendering gives what the full way gives."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from etter_obs._internal.context import RequestContext
from etter_obs._internal.logs import Redactor
from etter_obs._internal.logs.fast_render import FastRenderer
from etter_obs._internal.logs.record import Entry, Site, SpanIds
from etter_obs._internal.logs.render import Renderer
from tests.logs.secrets import planted

MAX_BYTES = 1024
QUICK = FastRenderer(Renderer("shop", "test", Redactor(), MAX_BYTES))
"""One for all examples: what it remembers of one must not show in another."""

HEX = st.text("0123456789abcdef", min_size=32, max_size=32)
WORDS = st.sampled_from(
    ["GET", "/orders/7", "order placed", "a_b", "a.b", "größe", "x=1", "key", "\x7f", "4" * 16]
)
TEXTS = WORDS | st.text(max_size=12) | planted().map(lambda pair: pair[0]) | HEX
NAMES = st.sampled_from(
    [
        *("number", "user", "password", "api_key", "request_id", "trace_id", "span_id", "level"),
        *("trace_sampled", "path", "endpoint", "service", "message", "exception", "a@example.com"),
    ]
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | TEXTS
    | st.lists(TEXTS, max_size=2)
    | st.just("long " * 300)
)
REQUESTS = st.none() | st.builds(
    RequestContext, TEXTS, HEX, HEX.map(lambda text: text[:16]), st.booleans(), WORDS, TEXTS
)
SPANS = st.none() | st.builds(
    SpanIds, st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans()
)


@settings(max_examples=1000)
@given(
    message=TEXTS,
    fields=st.dictionaries(NAMES, VALUES, max_size=5),
    request=REQUESTS,
    span=SPANS,
    line=st.integers(1, 3),
)
def test_both_ways_give_the_same_line(
    message: str,
    fields: dict[str, Any],
    request: RequestContext | None,
    span: SpanIds | None,
    line: int,
) -> None:
    """For any entry the fast renderer writes exactly the line of the full one."""
    site = Site("/srv/app.py", "place", line)
    entry: Entry = (10**18, "INFO", "shop", message, site, request, span, fields, None, False)
    full = Renderer("shop", "test", Redactor(), MAX_BYTES).render(entry)
    quick = QUICK.render(entry)
    assert json.loads(quick[0]) == json.loads(full[0])
    assert len(quick[0]) <= MAX_BYTES
