"""Docker Compose with the shipped files and the demo's, as a project separate from the user's."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Final

from demo.processes import ROOT

FILES: Final = ("docker-compose.yml", "docker-compose.demo.yml", "demo/docker-compose.yml")
PROJECT: Final = "etter-obs-demo"
"""Not the name in the file: the demo removes its volumes and must not remove a user's."""
ARGUMENTS: Final = (
    f"--project-name={PROJECT}",
    *(part for file in FILES for part in ("--file", file)),
)
_REQUEST_TIMEOUT = 10.0
_LOG_LINES = "2000"


class ComposeError(RuntimeError):
    """Docker Compose cannot run a command; the message names it and the remedy."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; `make demo STACK=native` needs no Docker")


def refusal() -> str:
    """Return why Docker Compose cannot be used here, in its own words; empty if it can."""
    for question in (("docker", "version"), ("docker", "compose", "version")):
        try:
            done = subprocess.run(  # noqa: S603
                question, capture_output=True, text=True, check=False, timeout=_REQUEST_TIMEOUT
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode:
            said = done.stderr.strip().splitlines()
            return said[0] if said else f"{' '.join(question)} failed"
    return ""


def run(*arguments: str) -> None:
    """Run a command of Docker Compose; its output goes to the terminal.

    Raises:
        ComposeError: it failed.
    """
    done = subprocess.run(  # noqa: S603
        _command(*arguments), cwd=ROOT, env=_environment(), check=False
    )
    if done.returncode:
        raise ComposeError(f"docker compose {arguments[0]} failed, for the reason above")


def pull() -> None:
    """Pull the missing images.

    Raises:
        ComposeError: some are not available; the message names them.
    """
    services = json.loads(_asked("config", "--format", "json"))["services"]
    built = {each["image"] for each in services.values() if "build" in each}
    images = {name: each["image"] for name, each in services.items() if each["image"] not in built}
    try:
        run("pull", "--policy=missing", *images)
    except ComposeError:
        if missing := [image for image in sorted(set(images.values())) if not _is_here(image)]:
            raise ComposeError(
                f"images are missing and cannot be pulled: {', '.join(missing)}"
            ) from None
        raise


def address(service: str, port: int) -> str:
    """Return the URL at which ``port`` of ``service`` is published."""
    return f"http://{_asked('port', service, str(port)).strip()}"


def save_logs(file: Path) -> None:
    """Write the end of every service's log to ``file``; ignore a failure."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        subprocess.run(  # noqa: S603
            _command("logs", "--no-color", "--timestamps", "--tail", _LOG_LINES),
            cwd=ROOT,
            env=_environment(),
            stdout=out,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def _asked(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603
        _command(*arguments),
        cwd=ROOT,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ComposeError(f"docker compose {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


def _command(*arguments: str) -> list[str]:
    return ["docker", "compose", *ARGUMENTS, *arguments]


def _environment() -> dict[str, str]:
    return {**os.environ, "ETTER_FAULTS": "on"}


def _is_here(image: str) -> bool:
    asked = ("docker", "image", "inspect", image)
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0  # noqa: S603
