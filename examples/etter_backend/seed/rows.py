"""Generates the rows; the same scale always generates the same ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from examples.etter_backend.models import (
    Base,
    ChroDashboardEntry,
    Company,
    Document,
    Score,
    User,
    UserWorkflowHistory,
    Workflow,
)
from examples.etter_backend.seed.scale import Scale

Rows = Iterator[dict[str, Any]]

WORKFLOWS: Final = ("Hiring", "Onboarding", "Payroll", "Succession")
FUNCTIONS: Final = (
    *("Engineering", "Finance", "HR", "IT", "Legal", "Logistics"),
    *("Marketing", "Operations", "Product", "Sales", "Security", "Support"),
)
_FIRST: Final = ("Acme", "Accord", "Borealis", "Cobalt", "Delta", "Ember", "Fjord", "Granite")
_SECOND: Final = ("Analytics", "Bank", "Care", "Dynamics", "Energy", "Foods", "Logistics", "Retail")
_TITLES: Final = ("Analyst", "Architect", "Controller", "Designer", "Engineer", "Planner")
_WORDS: Final = (
    *("role", "task", "skill", "team", "plan", "budget", "forecast", "interview", "contract"),
    *("payroll", "training", "review", "policy", "automation", "migration", "succession"),
)
_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Invention:
    """Generates the rows of each table."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        self._chance = Random(0)
        companies = range(1, scale.companies + 1)
        weights = list(itertools.accumulate(1 / number for number in companies))
        first = list(companies) * 2  # each company has users
        more = self._chance.choices(
            companies, cum_weights=weights, k=max(0, scale.users - len(first))
        )
        self._company_of_user = [*first, *more][: scale.users]
        self._tenants = self._chance.choices(companies, cum_weights=weights, k=scale.documents)
        self._history_of: dict[int, list[int]] = {}
        """Some history rows of each workflow; they validate its scores."""

    def tables(self) -> list[tuple[type[Base], int, Rows]]:
        """Return each table with the number of its rows and the rows, parents first."""
        scale = self.scale
        workflows = scale.companies * len(WORKFLOWS)
        entries = workflows * len(FUNCTIONS)
        return [
            (Company, scale.companies, self._companies()),
            (User, scale.users, self._users()),
            (Workflow, workflows, self._workflows()),
            (UserWorkflowHistory, scale.history, self._history()),
            (Document, scale.documents, self._documents()),
            (Score, entries, self._scores(entries)),
            (ChroDashboardEntry, entries, self._entries(entries)),
        ]

    def _companies(self) -> Rows:
        names = list(itertools.product(_FIRST, _SECOND))
        for number in range(1, self.scale.companies + 1):
            round_, place = divmod(number - 1, len(names))
            first, second = names[place]
            suffix = f" {round_ + 1}" if round_ else ""
            yield {"id": number, "name": f"{first} {second}{suffix}", "industry": second}

    def _users(self) -> Rows:
        for number, company in enumerate(self._company_of_user, start=1):
            yield {
                "id": number,
                "company_id": company,
                "email": f"user{number}@company{company}.example",
                "username": f"user{number}",
                "job_title": _TITLES[number % len(_TITLES)],
                "is_admin": number <= self.scale.companies,
                "created_at": _EPOCH + timedelta(minutes=number),
            }

    def _workflows(self) -> Rows:
        numbers = itertools.count(1)
        for company in range(1, self.scale.companies + 1):
            for title in WORKFLOWS:
                yield {
                    "id": next(numbers),
                    "company_id": company,
                    "title": title,
                    "status": "active",
                }

    def _history(self) -> Rows:
        chance = Random(1)
        for number in range(1, self.scale.history + 1):
            user = chance.randrange(self.scale.users)
            started = _EPOCH + timedelta(seconds=30 * number)
            status = chance.choices(("done", "running", "failed"), (90, 8, 2))[0]
            first = (self._company_of_user[user] - 1) * len(WORKFLOWS)
            workflow = first + chance.randint(1, len(WORKFLOWS))
            some = self._history_of.setdefault(workflow, [])
            if len(some) < len(FUNCTIONS):
                some.append(number)
            yield {
                "id": number,
                "user_id": user + 1,
                "workflow_id": workflow,
                "status": status,
                "score": round(chance.random(), 3),
                "started_at": started,
                "finished_at": None if status == "running" else started + timedelta(minutes=5),
            }

    def _documents(self) -> Rows:
        chance = Random(2)
        for number, tenant in enumerate(self._tenants, start=1):
            words = [chance.choice(_WORDS) for _ in range(60)]
            yield {
                "id": number,
                "tenant_id": tenant,
                "title": f"{words[0].title()} {words[1]} {number}",
                "description": " ".join(words[2:14]),
                "content": " ".join(words) + ".",
                "status": chance.choices(("final", "draft", "archived"), (85, 12, 3))[0],
                # several have the same time, so the time alone is no order
                "created_at": _EPOCH + timedelta(seconds=number // 32),
            }

    def _scores(self, count: int) -> Rows:
        chance = Random(3)
        for number in range(1, count + 1):
            yield {"id": number, "value": round(chance.random(), 3), "computed_at": _EPOCH}

    def _entries(self, count: int) -> Rows:
        chance = Random(4)
        for number in range(1, count + 1):
            workflow, function = divmod(number - 1, len(FUNCTIONS))
            some = self._history_of.get(workflow + 1, [])
            validated = some[function] if function < len(some) else None
            yield {
                "id": number,
                "workflow_id": workflow + 1,
                "function": FUNCTIONS[function],
                "headcount": chance.randint(3, 300),
                "etter_score_id": number,
                "validated_score_id": validated,
            }
