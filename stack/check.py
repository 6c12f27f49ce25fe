"""Checks every shipped configuration with the program that reads it."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stack.build import binary, ensure
from stack.cache import cache_root
from stack.versions import BUILDS

_COLLECTOR_PROFILES = (
    ("to-tempo",),
    ("to-file",),
    ("to-gateway",),
    ("to-tempo", "tail-sampling"),
    ("to-file", "tail-sampling"),
)
_COMPOSE_FILES = (
    ("docker-compose.yml",),
    ("docker-compose.yml", "docker-compose.thanos.yml"),
    ("docker-compose.yml", "docker-compose.scale.yml"),
    ("docker-compose.yml", "docker-compose.demo.yml"),
    ("docker-compose.yml", "docker-compose.demo.yml", "demo/docker-compose.yml"),
)
#: What docker-compose.scale.yml cannot do without.
_REQUIRED = {"LOKI_S3_BUCKET": "any", "TEMPO_S3_BUCKET": "any"}
#: The output of promtool for each test file that passes.
_CONTENT = re.compile(r"Processing test file: \S+\n\s+SUCCESS\n*")


@dataclass(frozen=True, slots=True)
class Check:
    """A check of a configuration with a program; `arguments` hold paths relative to the project.

    A long check names the files that it `reads`: if they passed before with this program, they are
    not checked again.
    """

    title: str
    program: str
    arguments: tuple[str, ...]
    reads: tuple[str, ...] = ()

    def run(self, root: Path) -> str | None:
        """Return None if the program accepts the configuration, else its output."""
        passed = self._passed(root) if self.reads else None
        if passed and passed.exists():
            return None
        done = subprocess.run(
            [binary(self.program), *self.arguments],
            cwd=root,
            env=os.environ | _REQUIRED,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            return _CONTENT.sub("", done.stdout).strip() or f"exit code {done.returncode}"
        if passed:
            passed.parent.mkdir(parents=True, exist_ok=True)
            passed.touch()
        return None

    def _passed(self, root: Path) -> Path:
        """Return the file in the cache that exists once this program has accepted these files."""
        digest = hashlib.sha256(f"{binary(self.program)} {self.arguments}".encode())
        for name in self.reads:
            digest.update(hashlib.sha256((root / name).read_bytes()).digest())
        return cache_root() / "passed" / digest.hexdigest()


def checks(root: Path) -> Iterator[Check]:
    """Return every check of the project in `root`. Raises FileNotFoundError without rules."""
    yield Check("Prometheus", "promtool", ("check", "config", "prometheus/prometheus.yml"))
    if (root / "prometheus/replica.yml").exists():  # not in a user's project
        syntax = ("check", "config", "--syntax-only", "prometheus/replica.yml")
        yield Check("Prometheus as a replica", "promtool", syntax)
    rules = _files(root, "prometheus/rules") + _files(root, "alerts/rules")
    yield Check("rules", "promtool", ("check", "rules", "--lint=all", "--lint-fatal", *rules))
    tests = _files(root, "alerts/tests")
    # promtool runs its files in sequence; two promtools use both cores.
    for half in (tests[::2], tests[1::2]):
        title = f"tests of the rules ({len(half)})"
        yield Check(title, "promtool", ("test", "rules", *half), reads=(*rules, *half))
    yield Check("Alertmanager", "amtool", ("check-config", "alerts/alertmanager.yml"))
    for profile in _COLLECTOR_PROFILES:
        configs = [f"--config=otel-collector/{name}.yaml" for name in ("config", *profile)]
        title = f"collector, {' and '.join(profile)}"
        yield Check(title, "otelcol", ("validate", *configs))
    loki = ("-config.file=loki/config.yaml", "-config.expand-env=true", "-verify-config")
    yield Check("Loki", "loki", loki)
    for files in _COMPOSE_FILES:
        if all((root / name).exists() for name in files):  # a user's project lacks the demo's file
            named = [part for name in files for part in ("-f", name)]
            yield Check(" and ".join(files), "docker-compose", (*named, "config", "--quiet"))


def run_all(root: Path) -> Iterator[tuple[Check, str | None]]:
    """Run every check, two at a time; return each with its complaint, in order.

    Raises FileNotFoundError if there are no rules.
    """
    found = list(checks(root))
    ensure(build for build in BUILDS if {check.program for check in found} & set(build.packages))
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield from zip(found, pool.map(lambda check: check.run(root), found), strict=True)


def _files(root: Path, folder: str) -> tuple[str, ...]:
    found = tuple(str(path.relative_to(root)) for path in sorted((root / folder).glob("*.yml")))
    if not found:
        raise FileNotFoundError(f"no *.yml in {root / folder}; `etter-obs generate` writes them")
    return found
