"""Simulations: the slow part, computed in threads."""

from __future__ import annotations

import asyncio
import random
import statistics
import time

from etter_obs import timed
from examples.etter_backend.cache.stored import SIMULATION, stored
from examples.etter_backend.controls.features import FeatureSwitch
from examples.etter_backend.schemas.simulation import (
    CompanySimulationIn,
    CompanySimulationOut,
    SimulationIn,
    SimulationOut,
    Step,
)


class SimulationService:
    """Simulates a role's week or a company's years."""

    def __init__(self, features: FeatureSwitch) -> None:
        self._steps = stored(
            self._computed,
            features,
            name="simulation",
            ttl=SIMULATION,
            key=lambda given: given,
        )

    async def week(self, given: SimulationIn) -> SimulationOut:
        """Draw random weeks and sum up the hours that automation saves."""
        return await asyncio.to_thread(_week, given)

    async def company(self, given: CompanySimulationIn) -> CompanySimulationOut:
        """Simulate how a company's roles are automated."""
        steps = await self._steps(given)
        return CompanySimulationOut(company=given.company, simulation_steps=steps)

    async def _computed(self, given: CompanySimulationIn) -> list[Step]:
        return await asyncio.to_thread(_years, given)


@timed("simulate")
def _week(given: SimulationIn) -> SimulationOut:
    time.sleep(random.uniform(0.05, 0.15))  # loading the model of the role
    weeks = [random.gauss(40 * given.automation_share, 2) for _ in range(given.runs)]
    cuts = statistics.quantiles(weeks, n=20)
    return SimulationOut(p50_hours=round(cuts[9], 2), p95_hours=round(cuts[18], 2))


@timed("simulate_company")
def _years(given: CompanySimulationIn) -> list[Step]:
    """Compute each iteration from the previous one, without randomness."""
    time.sleep(random.uniform(0.05, 0.15))  # loading the models of the roles
    left = [float(role.headcount) for role in given.roles]
    steps = []
    for iteration in range(1, given.n_iterations + 1):
        # Easy tasks come first, so each iteration automates half as much.
        share = given.automation_factor / 2 ** (iteration - 1)
        saved = [headcount * share for headcount in left]
        left = [headcount - gone for headcount, gone in zip(left, saved, strict=True)]
        cost = sum(gone * role.avg_salary for gone, role in zip(saved, given.roles, strict=True))
        steps.append(Step(iteration=iteration, headcount=round(sum(left), 2), saved=round(cost, 2)))
    return steps
