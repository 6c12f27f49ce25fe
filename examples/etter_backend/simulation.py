"""Simulation: the slow part. It computes in a thread and reports its progress over a WebSocket."""

from __future__ import annotations

import asyncio
import random
import statistics
import time

from fastapi import APIRouter, Depends, WebSocket

from etter_obs import timed
from examples.etter_backend.database import faults
from examples.etter_backend.faults import Target
from examples.etter_backend.schemas import APIResponse, SimulationIn, SimulationOut

router = APIRouter(prefix="/simulation", tags=["simulation"])
breakable = Depends(faults.of(Target.SIMULATION))


@timed("simulate")
def simulate(given: SimulationIn) -> SimulationOut:
    """Draw random weeks and sum up the hours that automation saves."""
    time.sleep(random.uniform(0.05, 0.15))  # loading the model of the role
    weeks = [random.gauss(40 * given.automation_share, 2) for _ in range(given.runs)]
    cuts = statistics.quantiles(weeks, n=20)
    return SimulationOut(p50_hours=round(cuts[9], 2), p95_hours=round(cuts[18], 2))


@router.post("/run", dependencies=[breakable])
def run(given: SimulationIn) -> APIResponse[SimulationOut]:
    """Simulate a role's week."""
    return APIResponse(data=simulate(given))


@router.websocket("/progress")
async def progress(socket: WebSocket) -> None:
    """Run four simulations and send a message after each."""
    await socket.accept()
    for number in range(1, 5):
        await asyncio.to_thread(simulate, SimulationIn())
        await socket.send_json({"done": number, "of": 4})
    await socket.close()
