"""What the user sees: a live table on a terminal, elsewhere plain lines."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from demo.measurements import Measurements, SloState

_PLAIN_EVERY = 15.0
_PAGE_BURN = 14.4


class View(Protocol):
    """A live or a plain view."""

    def __enter__(self) -> Self:
        """Start to show."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last state on the screen."""
        ...

    def event(self, text: str, style: str = "") -> None:
        """Show an event that has just happened."""
        ...

    def show(self, headline: str, measured: Measurements | None) -> None:
        """Show the state; cheap enough to call every second."""
        ...


def view_for(console: Console) -> View:
    """Return the live view if the console is a terminal, else the plain one."""
    return LiveView(console) if console.is_terminal else PlainView(console)


class PlainView:
    """Plain lines for a log: events immediately, the state every 15 seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def event(self, text: str, style: str = "") -> None:
        """Print the event."""
        self._console.print(
            f"{_clock()}  {text}", style=style, highlight=False, markup=False, soft_wrap=True
        )

    def show(self, headline: str, measured: Measurements | None) -> None:
        """Print one line, if the last one is old enough."""
        if time.monotonic() - self._shown < _PLAIN_EVERY:
            return
        self._shown = time.monotonic()
        worst = sorted(
            (slo for slo in (measured.slos if measured else ()) if (slo.burn_5m or 0) > 1),
            key=lambda slo: -(slo.burn_5m or 0),
        )
        burning = ", ".join(f"{slo.name} {slo.burn_5m:.1f}×" for slo in worst[:4])
        self.event(
            f"{headline} | {_traffic(measured)}" + (f" | burning: {burning}" if burning else "")
        )


class LiveView:
    """A table of all SLOs that updates itself; events stay above it and scroll away."""

    def __init__(self, console: Console) -> None:
        self._headline = ""
        self._measured: Measurements | None = None
        self._live = Live(console=console, auto_refresh=False, get_renderable=self._render)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.refresh()
        self._live.stop()

    def event(self, text: str, style: str = "") -> None:
        """Print the event."""
        self._live.console.print(Text(f"{_clock()}  {text}", style=style))

    def show(self, headline: str, measured: Measurements | None) -> None:
        """Update the table."""
        self._headline = headline
        self._measured = measured or self._measured
        self._live.refresh()

    def _render(self) -> Group:
        table = Table(expand=True, pad_edge=False, box=None, header_style="bold")
        for column in ("SLO", "objective", "budget left (30d)", "burn 5m", "burn 1h"):
            table.add_column(column, justify="left" if column == "SLO" else "right")
        for slo in self._measured.slos if self._measured else ():
            table.add_row(*_row(slo))
        return Group(
            Text(""),
            Text(self._headline, style="bold"),
            Text(_traffic(self._measured)),
            Text(""),
            table,
        )


def _row(slo: SloState) -> tuple[Text, ...]:
    return (
        Text(slo.name),
        Text(f"{slo.objective:.4g}" if slo.objective > 1 else f"{slo.objective * 100:.4g} %"),
        _budget(slo.budget),
        _burn(slo.burn_5m),
        _burn(slo.burn_1h),
    )


def _budget(left: float | None) -> Text:
    if left is None:
        return Text("–", style="dim")
    if left < 0:
        return Text(f"overspent {-left:.1f}×", style="red")
    return Text(f"{left:.1%}", style="green")


def _burn(burn: float | None) -> Text:
    if burn is None:
        return Text("–", style="dim")
    style = "bold red" if burn > _PAGE_BURN else "yellow" if burn > 1 else "green"
    return Text(f"{burn:.1f}×", style=style)


def _traffic(measured: Measurements | None) -> str:
    if measured is None or measured.requests is None:
        return "waiting for the first scrapes"
    share = (measured.errors or 0) / measured.requests if measured.requests else 0
    return f"{measured.requests:.1f} requests/s, {share:.1%} of them 5xx"


def _clock() -> str:
    return time.strftime("%H:%M:%S")
