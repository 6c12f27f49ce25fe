"""The bench: a PostgreSQL, a Valkey, a filled database, and one backend on them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import httpx
import redis

from demo.backend import Backend, backend_running
from demo.databases import Postgres, Redis, free_port, running
from examples.etter_backend.controls.features import START_ONLY
from impact.experiments import ALL, Features
from impact.series import Page
from impact.workloads import API, World, prepare

_DATABASE: Final = ("-c", "shared_buffers=256MB", "-c", "synchronous_commit=off")
_CACHE: Final = ("--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru")
_FLIP_SECONDS: Final = 300.0

BENCH_ERRORS: Final = (RuntimeError, TimeoutError, httpx.HTTPError, subprocess.CalledProcessError)
"""What fails where the machine or the backend does not do as it should; the text says what."""


class Bench:
    """Runs the backend with the features that are wanted.

    A feature flips while the backend runs; the pool needs a new process.

    Args:
        run_dir: takes logs and state.
        database: the filled PostgreSQL.
        cache: the Valkey.
        closing: ends the backend.
    """

    def __init__(self, run_dir: Path, database: Postgres, cache: Redis, closing: ExitStack) -> None:
        self._run_dir, self._database, self._cache = run_dir, database, cache
        self._closing = closing.enter_context(ExitStack())
        self._backend: Backend | None = None
        self._started: Features = frozenset()

    @property
    def base_url(self) -> str:
        """The backend's address."""
        if self._backend is None:
            raise RuntimeError("use() starts the backend")
        return self._backend.base_url

    def use(self, features: Features, *, fresh: bool = False) -> None:
        """Have the backend run with exactly these features; the cache is empty afterwards.

        Args:
            features: those that are on.
            fresh: whether it must be a new process.
        """
        if self._backend is None or fresh or self._started & START_ONLY != features & START_ONLY:
            self._start(features)
        url = f"{self.base_url}{API}/features"
        states = httpx.get(url, timeout=30).raise_for_status().json()
        for name, is_on in states.items():
            wanted = name in features
            if is_on != wanted:
                flip = httpx.put(f"{url}/{name}", json={"enabled": wanted}, timeout=_FLIP_SECONDS)
                flip.raise_for_status()
        with redis.Redis.from_url(self._cache.url) as client:
            client.flushall()

    def world(self) -> World:
        """Return what requests need to know."""
        return prepare(self.base_url)

    def scrape(self) -> Page:
        """Fetch the backend's metrics."""
        text = httpx.get(f"{self.base_url}/metrics", timeout=30).raise_for_status().text
        return Page(time.monotonic(), text)

    def serve(self, workers: int) -> None:
        """Have the backend run with all features and so many workers."""
        self._start(ALL, workers)

    def _start(self, features: Features, workers: int = 1) -> None:
        self._closing.close()
        off = sorted(ALL - features)
        self._backend = self._closing.enter_context(
            backend_running(
                self._run_dir / "backend",
                port=free_port(),
                workers=workers,
                DATABASE_URL=self._database.url(),
                REDIS_URL=self._cache.url,
                ETTER_FEATURES=",".join(["all", *(f"-{name}" for name in off)]),
            )
        )
        self._started = features


@contextmanager
def bench(run_dir: Path) -> Iterator[Bench]:
    """Start the databases, fill them, and give the bench for the length of the block."""
    with ExitStack() as closing:
        database = closing.enter_context(running(lambda folder: Postgres(folder, *_DATABASE)))
        cache = closing.enter_context(running(lambda folder: Redis(folder, *_CACHE)))
        seed = [sys.executable, "-m", "examples.etter_backend.seed"]
        subprocess.run(  # noqa: S603
            seed, check=True, env={**os.environ, "DATABASE_URL": database.url()}
        )
        yield Bench(run_dir, database, cache, closing)
