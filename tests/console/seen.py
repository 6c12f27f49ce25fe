"""A server with the console, as a user starts it, and the link that it prints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from tests.servers import Running, running
from tests.waiting import eventually

_LINK: Final = re.compile(r"etter-obs console: (http://\S+/_obs/)\?token=(\S+)")


@dataclass(frozen=True)
class Console:
    """A running app, and what its link carries."""

    run: Running
    url: str
    token: str

    @property
    def link(self) -> str:
        """The link as printed."""
        return f"{self.url}?token={self.token}"

    def ask(self, path: str) -> Any:
        """Return the answer to a question of the page."""
        bearer = {"Authorization": f"Bearer {self.token}"}
        answer = self.run.get(f"/_obs/api/{path}", headers=bearer)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def request(self, path: str) -> dict[str, Any]:
        """Return the newest request to ``path`` with its calls and lines, once it is there."""

        def found() -> dict[str, Any] | None:
            rows = [row for row in self.ask("requests")["rows"] if row["path"] == path]
            return max(rows, key=lambda row: row["at"]) if rows else None

        row = eventually(found, deadline_s=30)
        whole: dict[str, Any] = self.ask(f"request?key={row['key']}")
        return whole


@contextmanager
def console(
    server: str = "uvicorn", environment: Mapping[str, str] | None = None
) -> Iterator[Console]:
    """Serve the app of ``tests.console.apps`` with the console."""
    settings = {"ETTER_OBS_CONSOLE": "true"} | dict(environment or {})
    with running(server, "tests.console.apps:make_app", factory=True, environment=settings) as run:
        printed = eventually(
            lambda: next(filter(None, map(_LINK.search, list(run.output))), None),
            deadline_s=60,
            tell=run.said,
        )
        yield Console(run, printed[1], printed[2])
