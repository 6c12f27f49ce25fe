"""Schema, connections and statements; each of the guide's mistakes is a test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from alembic import command
from sqlalchemy import Engine, func, inspect, select, text
from sqlalchemy.exc import OperationalError

from examples.etter_backend.backend import Backend
from examples.etter_backend.controls.faults import FaultSwitch
from examples.etter_backend.controls.features import Feature
from examples.etter_backend.database.engines import make_engines
from examples.etter_backend.migrations import TABLES, alembic_config, migrate
from examples.etter_backend.migrations.versions import indexes
from examples.etter_backend.models import ChroDashboardEntry, UserWorkflowHistory, Workflow
from examples.etter_backend.settings import Settings
from tests.errors.sentry_receiver import sentry_receiver
from tests.examples.conftest import ADMIN, Client, serving
from tests.services import free_port


def test_the_models_are_what_the_migrations_make(guide_engine: Engine) -> None:
    """Alembic finds no difference between the tables and the models."""
    with guide_engine.connect() as connection:
        command.check(alembic_config(connection))


def test_an_invalid_index_is_made_again(guide_engine: Engine) -> None:
    """After an interrupted run, which leaves an index that serves no read, all are valid."""
    migrate(guide_engine, TABLES)
    with guide_engine.begin() as connection:
        connection.execute(text("CREATE INDEX idx_user_email ON users (email)"))
        connection.execute(
            text(
                "UPDATE pg_index SET indisvalid = false "
                "WHERE indexrelid = 'idx_user_email'::regclass"
            )
        )
    migrate(guide_engine, indexes.revision)
    with guide_engine.connect() as connection:
        invalid = connection.scalars(
            text("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
        ).all()
        assert invalid == []
        names = {each["name"] for each in inspect(connection).get_indexes("documents")}
        assert "idx_document_keyset" in names


def test_the_zone_and_the_limit_outlive_a_rollback(settings: Callable[..., Settings]) -> None:
    """A connection is in UTC and has its limit after a rollback; the database's zone is Tokyo."""
    chosen = settings(ETTER_DB_STATEMENT_TIMEOUT_MS="1234")
    engine = make_engines(chosen, FaultSwitch(chosen.run_dir / "f", enabled=False)).synchronous
    with engine.connect() as connection:
        connection.rollback()
        for name, value in (("timezone", "UTC"), ("statement_timeout", "1234ms")):
            assert connection.scalar(text(f"SHOW {name}")) == value
    engine.dispose()


async def test_a_statement_that_takes_too_long_ends(settings: Callable[..., Settings]) -> None:
    """The database ends it, in both engines."""
    chosen = settings(ETTER_DB_STATEMENT_TIMEOUT_MS="100")
    backend = Backend(chosen)
    for enabled in (True, False):
        backend.features.flip(Feature.ASYNC_DATABASE, enabled=enabled)
        with pytest.raises(OperationalError, match="statement timeout"):
            await backend.database.read(lambda session: session.execute(text("SELECT pg_sleep(5)")))
    await backend.engines.dispose()


@pytest.mark.parametrize("workers", [1, 2, 4, 7, 48])
def test_all_workers_together_stay_below_fifty(
    settings: Callable[..., Settings], workers: int
) -> None:
    """A worker's pool is its share: sixty for each would be more than the server takes."""
    size, overflow = settings(WEB_CONCURRENCY=str(workers)).pool
    assert size >= 1
    assert workers * (size + overflow) <= 48


async def test_pages_neither_overlap_nor_leave_a_gap(client: Client) -> None:
    """All pages together are all rows, each once, also while rows are changed in between."""
    rows: list[int] = []
    for page in range(1, 9):
        found = (await client.get(f"/users?page={page}&page_size=15&fields=id")).json()
        rows += [row["id"] for row in found["data"]]
        # PostgreSQL moves a changed row to another place of the table.
        await client.patch(f"/users/{rows[0]}", json={"job_title": f"Moved {page}"})
    assert len(rows) == len(set(rows)) == found["total"]


async def test_the_dashboard_takes_one_statement_and_shows_one_company(
    client: Client, guide_engine: Engine
) -> None:
    """With eager loading one statement, without many; the rows are the company's, each once."""
    with guide_engine.connect() as other:
        expected = other.scalar(
            select(func.count())
            .select_from(ChroDashboardEntry)
            .join(Workflow, Workflow.id == ChroDashboardEntry.workflow_id)
            .where(Workflow.company_id == ADMIN.company_id)
        )
    for enabled, least, most in ((True, 1, 1), (False, 40, 400)):
        client.flip(Feature.EAGER_LOADING, enabled=enabled)
        with client.selects() as selects:
            rows = (await client.get("/get_chro_data")).json()["data"]
        assert least <= len(selects) <= most
        assert len(rows) == len({row["id"] for row in rows}) == expected
        assert {row["company"] for row in rows} == {"Acme Analytics"}


def test_a_score_is_validated_by_a_run_of_its_own_workflow(guide_engine: Engine) -> None:
    """The seed mixes no companies: a dashboard would show the users of another one."""
    with guide_engine.connect() as connection:
        mixed = connection.scalar(
            select(func.count())
            .select_from(ChroDashboardEntry)
            .join(
                UserWorkflowHistory,
                UserWorkflowHistory.id == ChroDashboardEntry.validated_score_id,
            )
            .where(UserWorkflowHistory.workflow_id != ChroDashboardEntry.workflow_id)
        )
    assert mixed == 0


async def test_the_index_keeps_two_writers_from_one_address(
    settings: Callable[..., Settings],
) -> None:
    """Of several requests at once for one address one is a 201, the others are a 409."""
    new = {"email": "twice@company1.example", "username": "twice", "job_title": "Planner"}
    async with serving(settings(), rolls_back=False, account=ADMIN) as client:
        answers = await asyncio.gather(*(client.post("/users", json=new) for _ in range(6)))
        try:
            assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
        finally:
            for answer in answers:
                if answer.status_code == 201:
                    await client.delete(f"/users/{answer.json()['data']['id']}")


async def test_a_failure_of_ours_is_reported_and_tells_nothing(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client gets a code and no statement; Sentry gets the error. A 404 is not reported."""
    with sentry_receiver() as sentry:
        monkeypatch.setenv("ERROR_TRACKING_ENABLED", "true")
        monkeypatch.setenv("SENTRY_DSN", sentry.dsn)
        gone = f"postgresql://app:hunter2@127.0.0.1:{free_port()}/gone"
        chosen = settings(DATABASE_URL=gone, ETTER_MODEL_URL=f"http://127.0.0.1:{free_port()}")
        async with serving(chosen, rolls_back=False, account=ADMIN) as client:
            for path, status, code in (
                ("/documents", 500, "DB_ERROR"),
                ("/roles/analyst/adjacent", 502, "EXTERNAL_SERVICE_ERROR"),
                ("/roles/nobody/adjacent", 404, "NOT_FOUND"),
            ):
                answer = await client.get(path)
                assert (answer.status_code, answer.json()["error_code"]) == (status, code)
                assert "SELECT" not in answer.text
                assert "127.0.0.1" not in answer.text
            client.app.state.observability.flush(10)
        types = [each["exception"]["values"][-1]["type"] for each in sentry.events]
    assert sorted(types) == ["ExternalServiceError", "OperationalError"]
    assert b"hunter2" not in sentry.raw
