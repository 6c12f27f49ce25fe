"""The guide's routes, as its section 8 tests them: on the client's own engine, rolled back."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, func, select

from examples.etter_backend.controls.faults import Fault, Target
from examples.etter_backend.models import Document, User
from tests.examples.conftest import ADMIN, USER, Client

COMPANY = {
    "n_iterations": 2,
    "company": "Test Corp",
    "automation_factor": 0.3,
    "roles": [{"role": "Software Engineer", "headcount": 10, "avg_salary": 100000}],
}


async def test_a_token_says_who_asks(client: Client) -> None:
    """A valid token is answered with its account; none, a changed one or a foreign one is a 401."""
    answer = await client.post("/auth/check_auth")
    assert answer.status_code == 200
    assert answer.json()["data"]["email"] == ADMIN.email
    token = client.headers["Authorization"]
    for wrong in ("", "Bearer fake_token", f"{token}x", token.replace(".", "..", 1)):
        refused = await client.post("/auth/check_auth", headers={"Authorization": wrong})
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert refused.json()["error_code"] == "AUTH_ERROR"


@pytest.mark.integration
async def test_simulation_end_to_end(client: Client) -> None:
    """The guide's simulation ends as completed, with a step for each iteration."""
    answer = await client.post("/simulation/v1", json=COMPANY)
    assert answer.status_code == 200
    told = answer.json()
    assert told["status"] == "completed"
    assert [step["headcount"] for step in told["simulation_steps"]] == [7.0, 5.95]
    again = (await client.post("/simulation/v1", json=COMPANY)).json()
    assert again["simulation_steps"] == told["simulation_steps"]


async def test_a_user_lives_and_ends_in_the_tests_transaction(
    client: Client, guide_engine: Engine
) -> None:
    """The client reads what it has written; another engine never sees it."""
    new = {"email": "New.User@Company1.example", "username": "new", "job_title": "Planner"}
    created = await client.post("/users", json=new)
    assert created.status_code == 201
    user = created.json()["data"]
    assert (user["email"], user["company_id"]) == ("new.user@company1.example", 1)
    url = f"/users/{user['id']}"
    assert (await client.get(url)).json()["data"] == user
    assert (await client.post("/users", json=new)).status_code == 409
    changed = await client.patch(url, json={"job_title": "Analyst"})
    assert changed.json()["data"]["job_title"] == "Analyst"
    assert (await client.get(url)).json()["data"]["job_title"] == "Analyst"
    found = (await client.get("/users", params={"email": "NEW.user@company1.example"})).json()
    assert [row["id"] for row in found["data"]] == [user["id"]]
    with guide_engine.connect() as other:
        assert other.scalar(select(func.count()).where(User.email == user["email"])) == 0
    assert (await client.delete(url)).status_code == 204
    assert (await client.get(url)).status_code == 404


async def test_a_company_does_not_see_another_ones_rows(
    client: Client, guide_engine: Engine
) -> None:
    """Users, documents and history of another company are not listed, and are 404 by their id."""
    with guide_engine.connect() as other:
        document = other.scalar(select(Document.id).where(Document.tenant_id != 1).limit(1))
        user = other.scalar(select(User.id).where(User.company_id != 1).limit(1))
    for path in (f"/documents/{document}", f"/documents/{document}/html", f"/users/{user}"):
        assert (await client.get(path)).status_code == 404
    history = await client.get("/workflow_history", params={"user_id": user})
    assert history.json()["data"] == []
    documents = (await client.get("/documents", params={"page_size": 1000})).json()
    assert {row["tenant_id"] for row in documents["data"]} == {1}
    assert (await client.patch("/companies/2", json={"name": "Mine"})).status_code == 403


async def test_only_an_administrator_changes_other_users(client: Client) -> None:
    """A user changes itself; another one, a new one or a deletion needs an administrator."""
    token = client.backend.tokens.issue(USER)
    as_user = {"Authorization": f"Bearer {token}"}
    mine = await client.patch(f"/users/{USER.id}", json={"username": "me"}, headers=as_user)
    assert mine.json()["data"]["username"] == "me"
    for method, path, body in (
        ("PATCH", "/users/1", {"username": "boss"}),
        ("DELETE", "/users/1", None),
        ("POST", "/users", {"email": "a@b.example", "username": "a", "job_title": "a"}),
    ):
        refused = await client.request(method, path, json=body, headers=as_user)
        assert refused.status_code == 403
        assert refused.json()["error_code"] == "PERMISSION_DENIED"


async def test_a_document_is_cut_in_lists_and_whole_by_itself(client: Client) -> None:
    """A long text has 200 characters and an ellipsis in lists; the document itself has it all."""
    long = "word " * 400
    created = await client.post("/documents", json={"title": "Long", "content": long})
    document = created.json()["data"]
    assert document["content"] == long.strip()
    feed = (await client.get("/documents/feed", params={"page_size": 1})).json()["data"][0]
    assert feed["id"] == document["id"]
    assert feed["content"] == f"{long[:200]}…"
    whole = (await client.get(f"/documents/{document['id']}")).json()["data"]
    assert whole["content"] == long.strip()


async def test_tasks_are_completed(client: Client) -> None:
    """A prefix gives the tasks that begin with it, in any case."""
    assert (await client.get("/tasks/autocomplete?q=P")).json()["data"] == ["plan"]
    assert (await client.get("/health")).json() == {"status": "healthy"}


async def test_every_failure_has_one_envelope(client: Client) -> None:
    """The router's 404 and 405, a wrong body, our errors and a crash answer in the same form."""
    client.backend.faults.set(Target.WORKFLOWS, Fault(error_share=1))

    for method, path, body, status, code in (
        ("GET", "/no/such/path", None, 404, "NOT_FOUND"),
        ("PUT", "/documents", None, 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/documents", {"content": {"password": "hunter2"}}, 422, "VALIDATION_ERROR"),
        ("GET", "/documents/0", None, 404, "NOT_FOUND"),
        ("GET", "/workflows", None, 500, "INTERNAL_SERVER_ERROR"),
    ):
        answer = await client.request(method, path, json=body)
        assert answer.status_code == status
        told = answer.json()
        assert set(told) == {
            *("status", "error_code", "message", "metadata", "request_id", "timestamp")
        }
        assert (told["status"], told["error_code"]) == ("failure", code)
        assert told["request_id"] == answer.headers["X-Request-ID"]
        assert "hunter2" not in answer.text
    assert "Allow" in (await client.put("/documents")).headers
