"""The cache of the backend; each of the guide's mistakes is a test."""

from __future__ import annotations

import asyncio

from examples.etter_backend.cache.invalidation import (
    invalidate_company,
    invalidate_user,
    invalidate_workflow,
)
from examples.etter_backend.controls.faults import Fault, Target
from examples.etter_backend.controls.features import Feature
from examples.etter_backend.schemas.users import Account
from tests.examples.conftest import Client


async def test_the_first_argument_tells_results_apart(client: Client) -> None:
    """Two searches and two companies give two results: no argument is dropped from the key."""
    for one, other in (
        ("/companies/search?q=bank", "/companies/search?q=care"),
        ("/companies/1", "/companies/2"),
        ("/users/autocomplete?q=user1", "/users/autocomplete?q=user2"),
        ("/tasks/autocomplete?q=p", "/tasks/autocomplete?q=b"),
    ):
        for _ in range(2):
            first, second = await client.get(one), await client.get(other)
            assert first.json()["data"] != second.json()["data"]


async def test_a_session_is_no_part_of_the_key(client: Client) -> None:
    """A second request, with a session of its own, is a hit: it runs no statement."""
    for path in ("/companies/search?q=bank", "/users/1", "/workflows/1/metadata", "/companies/1"):
        with client.selects() as first_time:
            first = await client.get(path)
        with client.selects() as second_time:
            again = await client.get(path)
        assert first_time, path
        assert not second_time, path
        assert again.json()["data"] == first.json()["data"]


async def test_a_cached_row_is_data_and_not_its_name(client: Client) -> None:
    """What comes out of the cache has the fields of what went in, not an object's text."""
    await client.get("/master_companies")
    for company in (await client.get("/master_companies")).json()["data"]:
        assert set(company) == {"id", "name", "industry"}
    keys = await client.backend.redis.client.keys("*")
    stored = [
        await client.backend.redis.client.get(key) for key in keys if "master_companies" in key
    ]
    assert any("Acme" in (value or "") for value in stored)
    assert not any("object at 0x" in (value or "") for value in stored)


async def test_user_1_does_not_take_user_12_along(client: Client) -> None:
    """An invalidation hits its user, workflow or company, and none whose number begins alike."""
    client.headers["Authorization"] = f"Bearer {client.backend.tokens.issue(_of_company_12())}"
    for path, other, own in (
        ("/users/12", invalidate_user(1, 1), invalidate_user(12, 12)),
        ("/workflows/12/metadata", invalidate_workflow(1, 1), invalidate_workflow(12, 12)),
        ("/companies/12", invalidate_company(1), invalidate_company(12)),
    ):
        await client.get(path)
        await other
        with client.selects() as after_other:
            await client.get(path)
        await own
        with client.selects() as after_own:
            await client.get(path)
        assert not after_other, path
        assert after_own, path


async def test_an_invalidation_searches_no_keys(client: Client) -> None:
    """Redis is asked for neither KEYS nor SCAN, however many results there are."""
    redis = client.backend.redis.client
    await client.get("/users/1")
    await redis.config_resetstat()
    await client.patch("/users/1", json={"job_title": "Changed"})
    used = await redis.info("commandstats")
    assert "cmdstat_del" in used
    assert not {"cmdstat_keys", "cmdstat_scan"} & set(used)


async def test_a_change_is_seen_at_once(client: Client) -> None:
    """Each write invalidates after its commit: user, completion, workflow, company."""
    await client.get("/users/autocomplete?q=zora")
    await client.patch("/users/1", json={"username": "zora"})
    assert (await client.get("/users/1")).json()["data"]["username"] == "zora"
    assert (await client.get("/users/autocomplete?q=zora")).json()["data"] == ["zora"]
    before = (await client.get("/companies/1")).json()["data"]
    made = await client.post("/workflows", json={"company_id": 1, "title": "One more"})
    url = f"/workflows/{made.json()['data']['id']}"
    assert (await client.get(f"{url}/metadata")).json()["data"]["title"] == "One more"
    await client.put(url, json={"company_id": 1, "title": "Another"})
    assert (await client.get(f"{url}/metadata")).json()["data"]["title"] == "Another"
    after = (await client.get("/companies/1")).json()["data"]
    assert after["workflows"] == before["workflows"] + 1
    await client.patch("/companies/1", json={"name": "Acme Renamed"})
    for path in ("/companies/search?q=renamed", "/companies/autocomplete?q=acme ren"):
        assert len((await client.get(path)).json()["data"]) == 1
    assert "Acme Renamed" in (await client.get("/master_companies")).text
    assert (await client.get(f"{url}/metadata")).json()["data"]["company"] == "Acme Renamed"


async def test_a_write_that_fails_changes_nothing(client: Client) -> None:
    """After a conflict the row is as before, in the database and in the answers."""
    made = await client.post("/workflows", json={"company_id": 1, "title": "Mine"})
    url = f"/workflows/{made.json()['data']['id']}"
    refused = await client.put(url, json={"company_id": 1, "title": "Hiring"})
    assert refused.status_code == 409
    assert (await client.get(url)).json()["data"]["title"] == "Mine"


async def test_without_redis_every_answer_is_computed(client: Client) -> None:
    """With Redis refusing every command the same answers come."""
    with_redis = (await client.get("/companies/search?q=bank")).json()["data"]
    client.backend.faults.set(Target.CACHE, Fault(error_share=1))
    assert (await client.get("/companies/search?q=bank")).json()["data"] == with_redis
    assert (await client.patch("/users/1", json={"job_title": "x"})).status_code == 200


async def test_results_have_the_guides_lifetimes(client: Client) -> None:
    """Each of the guide's six kinds of result is kept for as long as the guide says."""
    redis = client.backend.redis.client
    for method, path, seconds in (
        ("GET", "/users/autocomplete?q=us", 300),
        ("GET", "/companies/1", 3_600),
        ("GET", "/workflows/1/metadata", 1_800),
        ("POST", "/simulation/v1", 7_200),
        ("GET", "/roles/analyst/adjacent", 86_400),
        ("GET", "/tasks/autocomplete?q=p", 600),
    ):
        await redis.flushdb()
        body = {
            "company": "Acme",
            "n_iterations": 1,
            "automation_factor": 0.1,
            "roles": [{"role": "Engineer", "headcount": 1, "avg_salary": 1}],
        }
        answer = await client.request(method, path, json=body if method == "POST" else None)
        assert answer.status_code == 200
        lifetimes = {await redis.ttl(key) for key in await redis.keys("*}")}
        assert len(lifetimes) == 1, (path, lifetimes)
        assert seconds - 30 <= lifetimes.pop() <= seconds, path


async def test_one_computes_and_the_others_wait(client: Client) -> None:
    """Eight requests at once for a result that nobody has run its statements once."""
    with client.selects() as together:
        answers = await asyncio.gather(*(client.get("/companies/9") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    client.flip(Feature.CACHE, enabled=False)
    with client.selects() as alone:
        await client.get("/companies/9")
    assert sorted(together) == sorted(alone)


def _of_company_12() -> Account:
    return Account(
        id=12, company_id=12, email="user12@company12.example", username="user12", is_admin=True
    )
