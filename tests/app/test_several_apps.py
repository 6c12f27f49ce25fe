"""Several apps in one process: what only one of them can have at a time, and what they leave."""

from __future__ import annotations

from fastapi import FastAPI

from etter_obs import counted, setup_observability
from tests.app.asgi import scrape


@counted("shared")
def work() -> None:
    """Count where the process counts."""


async def calls(app: FastAPI) -> float:
    """Return what an app shows of the calls of ``work``."""
    return (await scrape(app)).value("function_calls_total", "shared")


async def test_decorated_functions_count_in_the_newest_app_that_still_runs() -> None:
    """Apps may end in any order: a call counts in the newest of those left, and nowhere else."""
    apps = [FastAPI() for _ in range(3)]
    first, second = setup_observability(apps[0]), setup_observability(apps[1])
    work()
    assert [await calls(app) for app in apps[:2]] == [0, 1]
    second.shutdown()
    work()
    assert await calls(apps[0]) == 1
    third = setup_observability(apps[2])
    first.shutdown()
    work()
    assert await calls(apps[2]) == 1
    third.shutdown()
    work()  # counts nowhere, and fails nowhere
