"""HTML output: text is escaped, markup is reduced to harmless tags."""

from __future__ import annotations

from html import escape
from typing import Final

import nh3

_TAGS: Final = {"b", "blockquote", "br", "code", "em", "h2", "h3", "i", "li", "ol", "p", "pre"} | {
    *("strong", "ul")
}
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Content-Security-Policy of the page: nothing is loaded or run."""


def page(title: str, content: str) -> str:
    """Return an HTML page; ``title`` is text, ``content`` may contain simple markup."""
    body = nh3.clean(content, tags=_TAGS, attributes={})
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"</head><body><h1>{escape(title)}</h1>{body}</body></html>"
    )
