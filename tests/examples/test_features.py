"""The switches: what they accept, and that no answer depends on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from examples.etter_backend.controls.features import (
    START_ONLY,
    Feature,
    FeatureError,
    FeatureSwitch,
    parse_features,
)
from examples.etter_backend.migrations import INDEXES, TABLES, migrate
from examples.etter_backend.settings import Settings
from tests.examples.conftest import ADMIN, Client, serving

READS = (
    "/users?page_size=20",
    "/users?email=user65@company1.example",
    "/users/1",
    "/users/autocomplete?q=user1",
    "/companies/1",
    "/companies/search?q=bank",
    "/master_companies",
    "/workflows?page=2",
    "/workflows/3/metadata",
    "/workflow_history?page=2&status=done",
    "/workflow_history?workflow_id=1&user_id=1",
    "/documents?page=3&page_size=17&status=final",
    "/documents/1",
    "/get_chro_data",
    "/roles/adjacent?name=analyst&name=planner&name=designer",
    "/tasks/autocomplete?q=p",
)


@pytest.mark.parametrize(
    ("text", "off"),
    [
        ("all", set()),
        ("none", set(Feature)),
        ("-cache", {Feature.CACHE}),
        (" +gzip, -cache ", {Feature.CACHE}),
        ("all,-pool,-etag", {Feature.POOL, Feature.ETAG}),
        ("none,+gzip", set(Feature) - {Feature.GZIP}),
    ],
)
def test_features_are_a_list_of_changes(text: str, off: set[Feature]) -> None:
    """A list changes all, or what it begins with."""
    assert set(Feature) - parse_features(text) == off


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gzip", "'gzip' has no sign"),
        ("+gzp", "did you mean gzip"),
        ("-cache,+cache", "cache is named twice"),
        ("-cache,all", "'all' has no sign"),
        ("-", "there is no feature ''"),
    ],
)
def test_a_wrong_list_is_refused_with_the_remedy(text: str, told: str) -> None:
    """The message names the part that is wrong."""
    with pytest.raises(FeatureError, match=told):
        parse_features(text)


def test_a_flip_reaches_the_other_workers(tmp_path: Path) -> None:
    """A second switch on the same file sees a flip; one without a file cannot be flipped."""
    path = tmp_path / "features.json"
    here, there = FeatureSwitch(Feature, path), FeatureSwitch(Feature, path)
    here.flip(Feature.GZIP, enabled=False)
    assert not there.is_on(Feature.GZIP)
    assert there.is_on(Feature.CACHE)
    fixed = FeatureSwitch(Feature)
    with pytest.raises(FeatureError):
        fixed.flip(Feature.GZIP, enabled=False)


async def test_features_are_flipped_over_http_and_shown_as_a_metric(client: Client) -> None:
    """The demo's route flips; the gauge follows; the pool is refused, as it needs a restart."""
    off = (await client.put("/features/etag", json={"enabled": False})).json()
    assert off["etag"] is False
    page = (await client.get("http://127.0.0.1:1/metrics")).text
    shown = {
        sample.labels["feature"]: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "etter_feature_enabled"
    }
    assert shown == {feature: float(feature != Feature.ETAG) for feature in Feature}
    assert (await client.put("/features/pool", json={"enabled": False})).status_code == 409


async def test_without_the_demo_nothing_can_be_flipped(settings: Callable[..., Settings]) -> None:
    """With ETTER_FAULTS off neither switch has routes, and nobody gets a token."""
    closed = settings(ETTER_FAULTS="off")
    async with serving(closed, account=ADMIN) as client:
        for method, path in (
            ("PUT", "/features/gzip"),
            ("PUT", "/faults/users"),
            ("POST", "/auth/token"),
        ):
            assert (await client.request(method, path, json={})).status_code == 404


@pytest.mark.parametrize("feature", sorted(set(Feature) - START_ONLY - {Feature.INDEXES}))
async def test_answers_do_not_depend_on_a_switch(client: Client, feature: Feature) -> None:
    """Every read, twice, gives the same with the feature on and off, and so does the walk."""
    on = await _answers(client)
    client.flip(feature, enabled=False)
    off = await _answers(client)
    assert on == off
    assert all(status == 200 for status, _ in on.values())


async def test_answers_do_not_depend_on_indexes_pool_or_anything(
    settings: Callable[..., Settings], guide_engine: Engine
) -> None:
    """Without its indexes, without a pool, and with nothing on at all, every read is the same."""

    async def answers(features: str) -> Any:
        chosen = settings(ETTER_FEATURES=features)
        async with serving(chosen, rolls_back=False, account=ADMIN) as client:
            return await _answers(client)

    everything = await answers("all")
    assert await answers("-pool") == everything
    migrate(guide_engine, TABLES)
    try:
        assert await answers("-indexes") == everything
        assert await answers("none") == everything
    finally:
        migrate(guide_engine, INDEXES)


async def test_a_walk_goes_on_where_the_switch_is_turned(client: Client) -> None:
    """Half of the pages by key and half by count are the same documents as all by key."""
    assert await _walk(client) == await _walk(client, flip_after=2)


async def _answers(client: Client) -> dict[str, tuple[int, Any]]:
    found: dict[str, tuple[int, Any]] = {}
    for path in READS:
        for _ in range(2):  # the second one may come from the cache
            answer = await client.get(path)
            told = answer.json()
            told.pop("timestamp")
            assert found.setdefault(path, (answer.status_code, told)) == (answer.status_code, told)
    found["feed"] = 200, await _walk(client)
    return found


async def _walk(client: Client, flip_after: int = -1) -> list[Any]:
    """Return all documents of the feed, page by page."""
    rows: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        flip_after -= 1
        if flip_after == 0:
            client.flip(Feature.KEYSET_PAGES, enabled=False)
        page = (await client.get("/documents/feed", params={"cursor": cursor})).json()
        rows += page["data"]
        cursor = page["next_cursor"]
    assert len(rows) > 150
    assert len({row["id"] for row in rows}) == len(rows)
    return rows
