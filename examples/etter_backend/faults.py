"""The fault switch: breaks a part of this backend on demand, for the demo and for game days.

It exists only if ETTER_FAULTS=on. Its state is a small file that all workers read.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, TypeAdapter


class Target(StrEnum):
    """What can be broken: the four groups of routes, and the two servers behind them."""

    COMPANIES = "companies"
    WORKFLOWS = "workflows"
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
        self._path = path
        self._stamp = (0, 0)
        self._faults = _NONE

    def current(self) -> dict[Target, Fault]:
        """Return the current faults; read the file again only if it has changed."""
        if not self.enabled:
            return _NONE
        try:
            status = self._path.stat()
            stamp = status.st_mtime_ns, status.st_ino  # two changes may have the same mtime
            if stamp != self._stamp:
                self._faults = _FAULTS.validate_json(self._path.read_bytes())
                self._stamp = stamp
        except FileNotFoundError:
            self._faults, self._stamp = _NONE, (0, 0)
        return self._faults

    def set(self, target: Target, fault: Fault | None) -> None:
        """Break ``target`` in this way; None repairs it. Other workers see it immediately."""
        faults = {**self.current(), target: fault}
        left = {name: found.model_dump() for name, found in faults.items() if found}
        new = self._path.with_suffix(f".{os.getpid()}")
        new.write_text(json.dumps(left), encoding="utf-8")
        new.replace(self._path)

    def of(self, target: Target) -> Callable[[], Awaitable[None]]:
        """Return the dependency that makes a router breakable as ``target``."""

        async def dependency() -> None:
            fault = self.current().get(target)
            if fault is not None:
                await asyncio.sleep(fault.latency_seconds)
                if fault.strikes():
                    raise BrokenOnPurposeError(f"the {target} routes are broken on purpose")

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
    async def mend(target: Target) -> None:
        switch.set(target, None)

    return router
