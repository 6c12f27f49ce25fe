"""SIGTERM under a real uvicorn: not ready first, then the server's own end."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time

import pytest

from demo.databases import free_port
from etter_obs._internal.conventions import HealthReason
from etter_obs._internal.health import Health
from etter_obs._internal.settings import Settings
from tests.health.serving import GUNICORN, UVICORN, answer, served
from tests.waiting import eventually


def test_sigterm_turns_ready_to_503_while_requests_are_served() -> None:
    """After SIGTERM ready is 503 and live 200 for the drain time; then the process ends."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/health"
    with served(port, ETTER_OBS_DRAIN_SECONDS="8") as process:
        ready = answer(f"{url}/ready")
        assert ready is not None
        assert ready.status_code == 200
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        eventually(lambda: is_draining(port), deadline_s=30, every_s=0.05)
        live = answer(f"{url}/live")
        assert live is not None
        assert live.status_code == 200
        process.wait(30)
        assert time.monotonic() - told > 7.5


def is_draining(port: int) -> bool:
    """Whether the server reports that it is draining."""
    response = answer(f"http://127.0.0.1:{port}/health/ready")
    return response is not None and response.json().get("reason") == "draining"


def test_a_second_sigterm_ends_the_wait() -> None:
    """An operator who insists does not wait for the drain time."""
    port = free_port()
    with served(port, ETTER_OBS_DRAIN_SECONDS="60") as process:
        process.send_signal(signal.SIGTERM)
        eventually(lambda: is_draining(port), deadline_s=30, every_s=0.05)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.mark.parametrize(
    ("server", "arguments"),
    [(UVICORN, ()), (UVICORN, ("--lifespan", "off")), (UVICORN, ("--workers=2",)), (GUNICORN, ())],
)
def test_without_a_drain_time_the_server_ends_as_ever(
    server: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    """By default SIGTERM goes straight on to the server's own handler, whichever it is."""
    with served(free_port(), *arguments, server=server) as process:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_gunicorns_own_worker_ends_without_the_drain_time() -> None:
    """It receives signals from the event loop, so it does not wait, as the docs say."""
    with served(free_port(), server=GUNICORN, ETTER_OBS_DRAIN_SECONDS="600") as process:
        process.send_signal(signal.SIGTERM)
        process.wait(20)  # gunicorn itself would end a worker that waits, after 30 s


@pytest.mark.parametrize(("delay", "warnings"), [(60.0, 1), (0.0, 0)])
def test_a_drain_time_without_effect_is_reported(
    caplog: pytest.LogCaptureFixture, delay: float, warnings: int
) -> None:
    """If the event loop handles SIGTERM too, a configured delay is a warning at start."""

    async def life() -> None:
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        health = Health(Settings(drain_seconds=delay))
        health.start()
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(ended.wait(), 30)
        assert (await health.summary()).reason is HealthReason.DRAINING
        health.close()

    asyncio.run(life())
    told = [line for line in caplog.messages if "ETTER_OBS_DRAIN_SECONDS" in line]
    assert len(told) == warnings


def test_close_puts_the_former_handler_back() -> None:
    """close() restores what start() chained; a handler set since then is left alone."""

    def former(*_: object) -> None: ...

    def later(*_: object) -> None: ...

    async def life() -> None:
        health = Health(Settings())
        health.start()
        assert signal.getsignal(signal.SIGTERM) is not former
        health.close()
        assert signal.getsignal(signal.SIGTERM) is former
        health.start()
        signal.signal(signal.SIGTERM, later)
        health.close()
        assert signal.getsignal(signal.SIGTERM) is later

    before = signal.signal(signal.SIGTERM, former)
    try:
        asyncio.run(life())
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_default_action_still_ends_a_process() -> None:
    """Without another handler, SIGTERM still ends the process, and its parent can see that."""
    code = (
        "import asyncio, signal\n"
        "from etter_obs._internal.health import Health\n"
        "from etter_obs._internal.settings import Settings\n"
        "async def main():\n"
        "    Health(Settings()).start()\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "    await asyncio.sleep(10)\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], timeout=30, check=False)
    assert ended.returncode == -signal.SIGTERM
