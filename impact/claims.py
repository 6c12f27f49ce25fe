"""The guide's sixteen claims, from "Expected Performance Improvements" and its summary.

One of them, resource utilisation, has two lines: processor and memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["less", "more", "times_less", "times_more", "level", "ratio"]
"""How off and on make one number.

``less``: 1 - on / off. ``more``: on / off - 1. ``times_less``: off / on. ``times_more``: on / off.
``level``: on alone. ``ratio``: on / off, where one means no change.
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A promise of the guide, the figure that tests it, and why it holds or not.

    ``promised`` has both ends of the range; ``figure`` is the name of a figure or of a capacity.
    Both are None if no software can measure the claim. ``why`` says what the figure depends on.
    """

    text: str
    wording: str
    why: str
    figure: str | None = None
    kind: Kind = "less"
    promised: tuple[float, float] | None = None


CLAIMS: Final = (
    Claim(
        "Indexes: faster queries",
        "50-90% faster",
        "An index saves the reading of the rows that are not wanted, so the effect grows with the "
        "table; the time is that of all statements of the routes, those included that an index "
        "does not help.",
        "query_time",
        "less",
        (0.5, 0.9),
    ),
    Claim(
        "N+1 fixes: fewer queries",
        "70-90% fewer",
        "One statement replaces one for each row and relation, so the effect is as large as the "
        "page.",
        "statements",
        "less",
        (0.7, 0.9),
    ),
    Claim(
        "Connection pool: throughput",
        "30-50% better",
        "Without a pool each request starts a process of PostgreSQL and a session. How much that "
        "is depends on what the request does besides; here it reads one row.",
        "throughput",
        "more",
        (0.3, 0.5),
    ),
    Claim(
        "Cache: hit ratio",
        "80% and more",
        "It depends on what is asked for: here on popular things most (Zipf's law), with one "
        "change among fifty requests, five seconds after an empty cache.",
        "hit_ratio",
        "level",
        (0.8, 1.0),
    ),
    Claim(
        "Cache: response time of cached responses",
        "90-95% faster",
        "The cache saves the database's part. What is left is the framework's, the middleware's "
        "and the look-up itself, and on a fast database that is most of the time.",
        "cached_duration",
        "less",
        (0.9, 0.95),
    ),
    Claim(
        "Cache: database load",
        "60-80% less",
        "Each hit saves its statements; the misses of rarely wanted things remain.",
        "database_load",
        "less",
        (0.6, 0.8),
    ),
    Claim(
        "Async database: concurrent users",
        "3-5 times as many",
        "Both ways share one process, one core and the same limit of connections. A thread that "
        "waits costs little beside these, until there are more waiters than threads.",
        "users_async",
        "times_more",
        (3.0, 5.0),
    ),
    Claim(
        "Parallel calls: external API calls",
        "40-60% faster",
        "Six calls that ran one after the other run at once, so the request takes as long as the "
        "slowest; with more calls it would be more.",
        "call_duration",
        "less",
        (0.4, 0.6),
    ),
    Claim(
        "Async database: CPU",
        "30-40% better",
        "The event loop saves the hand-over to a thread and pays for switching greenlets.",
        "cpu",
        "less",
        (0.3, 0.4),
    ),
    Claim(
        "Async database: memory",
        "30-40% better",
        "Threads reserve address space, not memory; the resident memory is the code's and the "
        "libraries'. Each phase had a process of its own.",
        "memory",
        "less",
        (0.3, 0.4),
    ),
    Claim(
        "Compression: response size",
        "60-80% smaller",
        "JSON repeats the names of its fields in each row, which is what gzip finds.",
        "compressed",
        "less",
        (0.6, 0.8),
    ),
    Claim(
        "Sparse fields: payload",
        "40-70% smaller",
        "It is as large as the share of the fields that the client leaves out, before compression.",
        "fields",
        "less",
        (0.4, 0.7),
    ),
    Claim(
        "Pagination: response time whatever the size",
        "the same (0.8 to 1.25 times)",
        "A page by key begins at its index entry: page 101 against page 1 of the largest company.",
        "depth",
        "ratio",
        (0.8, 1.25),
    ),
    Claim(
        "All together: response time",
        "3-5 times better",
        "All switches off against all on, over the mixture of all requests, one at a time.",
        "response_time",
        "times_less",
        (3.0, 5.0),
    ),
    Claim(
        "All together: concurrent users",
        "5-10 times as many",
        "All switches off against all on, over the mixture of all requests: the most users with "
        "whom 95% of requests are answered within 500 ms and 99.9% without an error.",
        "users_everything",
        "times_more",
        (5.0, 10.0),
    ),
    Claim(
        "Maintenance effort",
        "50-70% less",
        "No software measures effort: it is what people spend, over months, on changes that are "
        "never made twice.",
    ),
    Claim(
        "Production bugs",
        "80% fewer",
        "No software measures bugs that were not made: it would take two teams and the same year. "
        "What the bundle can show is the error rate of one release against another "
        "(`etter-obs slo compare`).",
    ),
)
BESIDE: Final = (
    Claim(
        "Pages by offset: page 101 against page 1",
        "no claim",
        "The database reads and throws away the rows before the page.",
        "depth_offset",
        "ratio",
    ),
    Claim(
        "ETag: bytes of repeated requests",
        "no claim",
        "An unchanged list is answered by a 304 without a body; the body is still made.",
        "not_modified",
        "less",
    ),
    Claim(
        "Rate limit: response time",
        "no claim",
        "What it costs: a script in the cache's server for each request.",
        "limited",
        "ratio",
    ),
)
"""Switches of which the guide promises no figure."""
