"""Ids that are made many at a time."""

from __future__ import annotations

import multiprocessing

from etter_obs._internal.random_ids import random_ids


def test_a_forked_child_has_ids_of_its_own() -> None:
    """What waited at the fork is the parent's alone: no id comes twice."""
    take = random_ids(32)
    take()
    fork = multiprocessing.get_context("fork")
    theirs = fork.SimpleQueue()
    child = fork.Process(target=lambda: theirs.put([take() for _ in range(600)]))
    child.start()
    ids = [*theirs.get(), *(take() for _ in range(600))]
    child.join(60)
    assert len(set(ids)) == 1200
    assert {len(one) for one in ids} == {32}
