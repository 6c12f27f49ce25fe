"""What a user's project begins with: the bundle's files, named and cut for one service.

The bundle observes the example backend, with a PostgreSQL and a Redis of its own. A project has
its own, or none: what is shipped for the example alone is left out, and what has no signal in a
new project is offered as a comment. Each edit names the shipped text that it replaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from etter_obs._internal.bundle import bundle_root
from etter_obs._internal.generate import scrape
from etter_obs._internal.generate.plan import plan
from etter_obs._internal.secret_files import FOLDER as SECRETS
from etter_obs._internal.slo.alerts.runbooks import merged
from etter_obs._internal.slo.loading.loader import parse_specs
from etter_obs._internal.slo.spec.models import Spec

Edits = tuple[tuple[str, str], ...]

SPEC: Final = "slo.yaml"
COMPOSE: Final = "docker-compose.yml"
_SHIPPED: Final = (
    COMPOSE,
    "docker-compose.scale.yml",
    "docker-compose.thanos.yml",
    "prometheus/prometheus.yml",
    "prometheus/replica.yml",
    "prometheus/targets",
    "alerts/templates",
    "otel-collector",
    "grafana/provisioning",
    "loki",
    "tempo",
    "thanos",
)
"""The handwritten files of the bundle that a project receives unchanged."""

_OFFERED: Final = {
    "Requires a database: uncomment with setup_observability(app, engine=…).": (
        "db-latency-p95",
        "db-pool-utilisation",
        "db-connections",
    ),
    "Requires a cache: uncomment with @cached functions.": ("cache-hit-ratio",),
    "Requires Redis: uncomment with setup_observability(app, redis=…).": ("cache-eviction",),
    "Measures the machine that runs node-exporter: uncomment if the app runs on it too.": (
        "cpu",
        "memory",
        "disk-io",
    ),
}
"""SLOs whose signal a new project may lack, under the line that says what provides it."""
_SLO: Final = re.compile(r"^  - name: ([a-z0-9-]+)\n(?:    .*\n)+\n", re.MULTILINE)
_LOAD_TEST: Final = "# A load test (`etter-obs slo gate`)"
"""The line of the shipped slo.yaml above which ``init`` puts these SLOs, commented out."""

_HEAD: Final = re.compile(r"\A(?:#.*\n)+name: .*\n")
_OF_THE_EXAMPLE: Final = re.compile(
    r"^  (?:postgres|redis):\n(?:    .*\n)+\n|^networks:\n(?:  .*\n)+\n|^  postgres: \{\}\n",
    re.MULTILINE,
)
_EXPORTERS: Final[Edits] = (
    (
        "      REDIS_ADDR: redis://redis:6379\n    networks: [data, default]\n",
        "      REDIS_ADDR: ${REDIS_ADDR:-redis://redis:6379}\n    profiles: [redis]\n",
    ),
    ("    depends_on:\n      redis: { condition: service_healthy }\n", ""),
    (
        "      DATA_SOURCE_URI: postgres:5432/etter?sslmode=disable\n"
        "      DATA_SOURCE_USER: etter\n"
        "      DATA_SOURCE_PASS_FILE: /run/secrets/postgres-password\n"
        "    secrets: [postgres-password]\n"
        "    networks: [data, default]\n",
        "      DATA_SOURCE_URI: ${POSTGRES_ADDR:-postgres:5432/postgres?sslmode=disable}\n"
        "      DATA_SOURCE_USER: ${POSTGRES_USER:-postgres}\n"
        "      DATA_SOURCE_PASS_FILE: /run/secrets/postgres-exporter-password\n"
        "    secrets: [postgres-exporter-password]\n"
        "    profiles: [postgres]\n",
    ),
    ("    depends_on:\n      postgres: { condition: service_healthy }\n", ""),
    (
        "  postgres-password: { file: secrets/postgres-password }\n",
        "  postgres-exporter-password: { file: secrets/postgres-exporter-password } # yours\n",
    ),
)
_COMPOSE_HEAD: Final = """\
# The stack that observes {service}. On its own:
#   docker compose -f {folder}/docker-compose.yml up --detach --wait
# or in one network with the app: two lines in the app's own docker-compose.yml,
#   include:
#     - {folder}/docker-compose.yml
# Grafana is at http://localhost:3000 (user admin, password in secrets/grafana-admin-password).
#
# Ports are published on loopback only; if one is taken, set GRAFANA_PORT, PROMETHEUS_PORT, … in
# .env next to this file. Your Redis and PostgreSQL are observed on demand: `--profile redis` with
# REDIS_ADDR, `--profile postgres` with POSTGRES_ADDR, POSTGRES_USER and the password in
# secrets/postgres-exporter-password; then uncomment their targets in prometheus/targets/.
name: {service}-observability
"""
_ON_DEMAND: Final = ("redis", "postgres")


@dataclass(frozen=True, slots=True)
class Project:
    """The files of a project, by path; the owner of a file decides who may change it.

    ``own`` files belong to the user once written, ``stack`` is the shipped configuration of the
    stack, and ``generated`` files follow from slo.yaml.
    """

    specs: Sequence[Spec]
    own: Mapping[str, str]
    stack: Mapping[str, str]
    generated: Mapping[str, str]


def project(spec_text: str, name: str, folder: str, target: str | None) -> Project:
    """Return the files of the project whose slo.yaml contains ``spec_text``.

    Args:
        spec_text: the content of slo.yaml; of a new project, ``new_spec``'s.
        name: the name of that file in messages.
        folder: path of the project's folder, relative to where docker compose runs.
        target: host:port of the app; None: an app on the Docker host.

    Raises:
        SpecError: the text is not a valid spec.
    """
    specs = parse_specs(spec_text, name)
    made = plan(specs)
    starters = dict(made.starters)
    if target is not None:
        starters[scrape.targets_path(specs[0])] = scrape.starter(target)
    notes = {path: _with_shipped_notes(path, text) for path, text in made.kept.items()}
    return Project(
        specs,
        {SPEC: spec_text, ".gitignore": f"/{SECRETS}/\n", **starters},
        _stack_files(specs[0].service, folder),
        {**made.files, **notes},
    )


def new_spec(service: str) -> str:
    """Return the slo.yaml of a new project."""
    shipped = _bundled(SPEC)
    slos = {match[1]: match[0] for match in _SLO.finditer(shipped)}
    offered = []
    for when, names in _OFFERED.items():
        offered.append(f"  # {when}\n")
        offered += [_commented(slos[name]) for name in names]
    left_out = {name for names in _OFFERED.values() for name in names}
    text = _SLO.sub(lambda match: "" if match[1] in left_out else match[0], shipped)
    return _edited(
        text,
        (
            ("service: etter\n", f"service: {service}\n"),
            ("team: etter-backend\n", f"team: {service}\n"),
            (_LOAD_TEST, "".join(offered) + _LOAD_TEST),
        ),
    )


def _stack_files(service: str, folder: str) -> dict[str, str]:
    files = dict(_shipped())
    compose = _HEAD.sub("", _OF_THE_EXAMPLE.sub("", files[COMPOSE]))
    head = _COMPOSE_HEAD.format(service=service, folder=folder)
    files[COMPOSE] = head + _edited(compose, _EXPORTERS)
    for name in _ON_DEMAND:
        path = f"{scrape.TARGETS}/{name}.yml"
        files[path] = _edited(
            files[path],
            (("- targets", f"# Uncomment it once it runs: `--profile {name}`.\n# - targets"),),
        )
    return files


def _with_shipped_notes(path: str, runbook: str) -> str:
    """Put the notes that the bundle has for an alert below the generated part of its runbook."""
    shipped = (bundle_root() / path).is_file()
    return merged(runbook, _bundled(path) if shipped else None)


def _shipped() -> Iterator[tuple[str, str]]:
    root = bundle_root()
    for name in _SHIPPED:
        source = root / name
        for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
            path = file.relative_to(root).as_posix()
            # In a checkout the example's own addresses lie there too.
            of_a_service = (root / scrape.JOBS / file.name).is_file()
            if file.is_file() and not file.name.startswith(".") and not of_a_service:
                yield path, _bundled(path)


def _bundled(path: str) -> str:
    return (bundle_root() / path).read_text(encoding="utf-8")


def _commented(block: str) -> str:
    return re.sub(r"^  (?=.)", "  # ", block, flags=re.MULTILINE)


def _edited(text: str, edits: Edits) -> str:
    for old, new in edits:
        if text.count(old) != 1:
            raise ValueError(f"the bundle no longer says {old!r} once")
        text = text.replace(old, new)
    return text
