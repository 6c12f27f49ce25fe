"""The fault switch: breaks a part of this backend on demand, for the demo and for game days.

It exists only if ETTER_FAULTS=on.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, TypeAdapter

from examples.etter_backend.controls.shared_file import SharedFile


class Target(StrEnum):
    """What can be broken: the groups of routes, and the two servers behind them."""

    COMPANIES = "companies"
    USERS = "users"
    WORKFLOWS = "workflows"
    DOCUMENTS = "documents"
    SIMULATION = "simulation"
    ADJACENCY = "adjacency"
    DATABASE = "database"
    CACHE = "cache"


class Fault(BaseModel):
    """How a target is broken: the added delay, and the share of calls that fail."""

    latency_seconds: Annotated[float, Field(ge=0, le=60)] = 0.0
    error_share: Annotated[float, Field(ge=0, le=1)] = 0.0

    def strikes(self) -> bool:
        """Decide at random whether this call fails."""
        return random.random() < self.error_share


_FAULTS = TypeAdapter(dict[Target, Fault])
_NONE: dict[Target, Fault] = {}


class BrokenOnPurposeError(RuntimeError):
    """Raised by a broken group of routes."""


class FaultSwitch:
    """The current faults, stored in ``path``; a disabled switch never breaks anything."""

    def __init__(self, path: Path, *, enabled: bool) -> None:
        self.enabled = enabled
        self._file = SharedFile(path, _FAULTS, _NONE)

    def current(self) -> dict[Target, Fault]:
        """Return the current faults."""
        return self._file.read() if self.enabled else _NONE

    def set(self, target: Target, fault: Fault | None) -> None:
        """Break ``target`` in this way; None repairs it. Other workers see it immediately."""
        faults = {**self.current(), target: fault}
        self._file.write({name: found for name, found in faults.items() if found})

    async def strike(self, target: Target) -> None:
        """Delay the call, or fail it, as ``target`` is broken.

        Raises:
            BrokenOnPurposeError: this call is one of those that fail.
        """
        fault = self.current().get(target)
        if fault is not None:
            await asyncio.sleep(fault.latency_seconds)
            if fault.strikes():
                raise BrokenOnPurposeError(f"the {target} routes are broken on purpose")


def breakable(target: Target) -> Callable[[Request], Awaitable[None]]:
    """Return the dependency that makes a router breakable as ``target``."""

    async def dependency(request: Request) -> None:
        await request.app.state.backend.faults.strike(target)

    return dependency


def fault_router(switch: FaultSwitch) -> APIRouter:
    """Return the routes that set the faults."""
    router = APIRouter(prefix="/faults", include_in_schema=False)

    @router.get("")
    async def faults() -> dict[Target, Fault]:
        return switch.current()

    @router.put("/{target}")
    async def break_target(target: Target, fault: Fault) -> Fault:
        switch.set(target, fault)
        return fault

    @router.delete("/{target}", status_code=204)
    async def repair(target: Target) -> None:
        switch.set(target, None)

    return router
