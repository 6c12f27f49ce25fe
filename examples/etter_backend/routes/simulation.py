"""Simulation: the slow part; it reports its progress over a WebSocket."""

from __future__ import annotations

from fastapi import APIRouter, Depends, WebSocket

from examples.etter_backend.common.dependencies import Simulations
from examples.etter_backend.controls.faults import Target, breakable
from examples.etter_backend.schemas.base import APIResponse
from examples.etter_backend.schemas.simulation import (
    CompanySimulationIn,
    CompanySimulationOut,
    SimulationIn,
    SimulationOut,
)

router = APIRouter(prefix="/simulation", tags=["simulation"])
_breakable = Depends(breakable(Target.SIMULATION))


@router.post("/run", dependencies=[_breakable])
async def run(simulations: Simulations, given: SimulationIn) -> APIResponse[SimulationOut]:
    """Simulate a role's week."""
    return APIResponse(data=await simulations.week(given))


@router.post("/v1", dependencies=[_breakable])
async def simulate(simulations: Simulations, given: CompanySimulationIn) -> CompanySimulationOut:
    """Simulate how a company's roles are automated."""
    return await simulations.company(given)


@router.websocket("/progress")
async def progress(socket: WebSocket, simulations: Simulations) -> None:
    """Run four simulations and send a message after each."""
    await socket.accept()
    for number in range(1, 5):
        await simulations.week(SimulationIn())
        await socket.send_json({"done": number, "of": 4})
    await socket.close()
