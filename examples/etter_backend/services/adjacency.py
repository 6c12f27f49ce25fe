"""Adjacent tasks and roles, as a model service ranks them over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from examples.etter_backend.cache.stored import TASK_AUTOCOMPLETE, stored
from examples.etter_backend.common.async_helpers import ExternalServices
from examples.etter_backend.common.exceptions import ExternalServiceError, ResourceNotFoundError
from examples.etter_backend.controls.features import FeatureSwitch
from examples.etter_backend.settings import Settings

Kind = Literal["roles", "tasks"]

ROLES: Final = (
    "analyst",
    "architect",
    "controller",
    "designer",
    "engineer",
    "planner",
    "recruiter",
)
TASKS: Final = ("assess", "budget", "forecast", "interview", "migrate", "onboard", "plan", "report")
RANKED: Final[dict[Kind, tuple[str, ...]]] = {"roles": ROLES, "tasks": TASKS}


class AdjacencyService:
    """Queries the model service and caches its rankings."""

    def __init__(
        self, external: ExternalServices, features: FeatureSwitch, settings: Settings
    ) -> None:
        self._external = external
        self._ranked = stored(
            self._rank,
            features,
            name="adjacency",
            ttl=settings.adjacency_seconds,
            key=lambda kind, name: (kind, name),
        )
        self.complete_task = stored(
            self._complete_task,
            features,
            name="task_autocomplete",
            ttl=TASK_AUTOCOMPLETE,
            key=lambda prefix: prefix,
        )

    async def of_one(self, kind: Kind, name: str, model_url: str) -> list[str]:
        """Return the neighbours of a role or task.

        Raises:
            ResourceNotFoundError: there is no such role or task.
            ExternalServiceError: the model service fails.
        """
        if name not in RANKED[kind]:
            raise ResourceNotFoundError(kind.removesuffix("s"), name)
        return await self._ranked(kind, name, model_url)

    async def of_many(
        self, kind: Kind, names: Sequence[str], model_url: str
    ) -> dict[str, list[str]]:
        """Return the neighbours of each, in parallel; raises what :meth:`of_one` does."""

        async def call(name: str) -> list[str]:
            return await self.of_one(kind, name, model_url)

        try:
            found = await self._external.gather(call, names)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return dict(zip(names, found, strict=True))

    async def _rank(self, kind: Kind, name: str, model_url: str) -> list[str]:
        answer = await self._external.get_json(
            "model", f"{model_url}/api/etter/model/{kind}/{name}"
        )
        if not isinstance(answer, list) or not all(isinstance(each, str) for each in answer):
            raise ExternalServiceError("model", "no usable answer")
        return answer

    async def _complete_task(self, prefix: str) -> list[str]:
        return [task for task in TASKS if task.startswith(prefix.lower())]
