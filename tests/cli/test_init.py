"""`etter-obs init`: what it writes into a stranger's project, and what it leaves alone."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from etter_obs._internal.secret_files import ensure_secrets
from stack.build import binary
from stack.check import checks
from stack.layout import CHECKOUT
from tests.command_line import run

SERVICE = ("--service", "shop")
INTERRUPT = "\x03"
OWN_COMPOSE = """\
services:
  web:
    image: shop
    environment: { OTLP_ENDPOINT: otel-collector:4317 }
  redis:
    image: redis:7
networks:
  default: { name: shops }
volumes:
  pgdata: {}
"""


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stranger's project with a compose file of its own, after `etter-obs init --service shop`.

    Tests that change it make their own.
    """
    folder = tmp_path_factory.mktemp("strangers") / "My Shop 2"
    folder.mkdir()
    (folder / "docker-compose.yml").write_text(OWN_COMPOSE)
    code, said = run("init", *SERVICE, "--target", "web:9000", cwd=folder)
    assert code == 0, said
    return folder


@pytest.fixture
def project(shipped: Path, tmp_path: Path) -> Path:
    """A copy of the project, the test's own."""
    return shutil.copytree(shipped, tmp_path / "project")


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _compose(folder: Path, *arguments: str, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [binary("docker-compose"), *arguments, "config", "--format", "json"],
        cwd=folder,
        env=os.environ | environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def test_it_writes_one_folder_for_the_service_that_it_was_told(shipped: Path) -> None:
    """Everything is in etter-obs/, named shop; the existing compose file is unchanged."""
    assert sorted(path.name for path in shipped.iterdir()) == ["docker-compose.yml", "etter-obs"]
    assert (shipped / "docker-compose.yml").read_text() == OWN_COMPOSE
    folder = shipped / "etter-obs"
    assert not list(folder.rglob("etter.*yml"))
    for path in (
        "slo.yaml",
        "slo.schema.json",
        "docker-compose.yml",
        "prometheus/prometheus.yml",
        "prometheus/scrape/shop.yml",
        "prometheus/rules/shop.availability.yml",
        "alerts/alertmanager.yml",
        "alerts/templates/etter.tmpl",
        "otel-collector/config.yaml",
        "grafana/dashboards/slo-overview.json",
    ):
        assert (folder / path).is_file(), path
    assert 'targets: ["web:9000"]' in (folder / "prometheus/targets/shop.yml").read_text()
    assert "## First look" in (folder / "alerts/runbooks/ServiceDown.md").read_text()
    named = [path for path, held in _contents(folder).items() if b'"etter"' in held]
    assert named == ["slo.schema.json"]  # the default of metric_prefix


@pytest.mark.parametrize("overlay", ["thanos", "scale"])
def test_the_overlays_fit_the_compose_file(shipped: Path, overlay: str) -> None:
    """Docker Compose reads the overlays for more than one machine on top of the project's file."""
    buckets = {"LOKI_S3_BUCKET": "lines", "TEMPO_S3_BUCKET": "traces"}
    files = [f"etter-obs/docker-compose{name}.yml" for name in ("", f".{overlay}")]
    read = _compose(shipped, "-f", files[0], "-f", files[1], **buckets)
    assert {"thanos": "thanos-querier", "scale": "loki-3"}[overlay] in read["services"]


def test_what_it_writes_is_whole_without_another_command(shipped: Path) -> None:
    """From the project's own folder, with no option, nothing differs from slo.yaml."""
    for where in (shipped, shipped / "etter-obs"):
        code, said = run("generate", "--check", cwd=where)
        assert (code, "files agree with slo.yaml" in said) == (0, True), said


def test_its_secrets_are_the_stacks_own_and_stay_out_of_git(shipped: Path) -> None:
    """Only the owner enters their folder; a database that it does not run has no password there."""
    folder = shipped / "etter-obs"
    assert (folder / "secrets").stat().st_mode & 0o777 == 0o700
    assert (folder / ".gitignore").read_text() == "/secrets/\n"
    made = {path.name for path in (folder / "secrets").rglob("*") if path.is_file()}
    assert made == {"grafana-admin-password", "metrics-token", "webhook-url"}


def test_slos_without_a_signal_are_offered_as_comments(project: Path) -> None:
    """A new app has no database, cache or host of its own; uncommented, all SLOs are those shipped.

    Each that is offered has a line above it that says when its signal is there.
    """
    spec = project / "etter-obs/slo.yaml"
    text = spec.read_text()
    held = {slo["name"] for slo in yaml.safe_load(text)["slos"]}
    assert held == {"availability", "client-errors", "latency-p50", "latency-p95", "latency-p99"}
    spec.write_text(re.sub(r"^  # (- |  )", r"  \1", text, flags=re.MULTILINE))
    shipped = yaml.safe_load((CHECKOUT / "slo.yaml").read_text())
    named = {slo["name"]: slo for slo in yaml.safe_load(spec.read_text())["slos"]}
    assert named == {slo["name"]: slo for slo in shipped["slos"]}
    assert run("generate", cwd=project)[0] == 0
    assert (project / "etter-obs/prometheus/rules/shop.cache-eviction.yml").is_file()


def test_every_program_of_the_stack_reads_the_project(project: Path) -> None:
    """promtool, amtool, the collector, Loki and Docker Compose accept all of it."""
    (project / "etter-obs/.env").write_text("GRAFANA_PORT=3300\n")
    folder = project / "etter-obs"
    # Left out: the tests of the rules, which are those of the shipped slo.yaml under another name.
    wanted = [check for check in checks(folder) if "tests of the rules" not in check.title]
    assert {check.program for check in wanted} >= {"promtool", "amtool", "otelcol", "loki"}
    assert {check.title: check.run(folder) for check in wanted} == {
        check.title: None for check in wanted
    }


def test_its_compose_file_runs_the_stack_alone(shipped: Path) -> None:
    """By itself: a project of the service's name, and the services shipped, without databases."""
    read = _compose(shipped, "-f", "etter-obs/docker-compose.yml")
    assert read["name"] == "shop-observability"
    reference = _compose(CHECKOUT)["services"]
    left_out = {"postgres", "redis", "postgres-exporter", "redis-exporter"}
    assert set(read["services"]) == set(reference) - left_out
    for name, service in read["services"].items():
        for key in ("image", "command", "environment", "ports", "healthcheck", "user"):
            assert service.get(key) == reference[name].get(key), (name, key)
        for volume in service.get("volumes", ()):
            if volume["type"] == "bind" and volume["source"] != "/":
                assert Path(volume["source"]).is_relative_to(shipped / "etter-obs"), volume
                assert Path(volume["source"]).exists(), volume


def test_its_compose_file_can_be_included_by_the_apps(project: Path) -> None:
    """Included by the app's own file, as `init` says, it joins the app's network and project.

    The app's redis stays the app's, and its networks and volumes are as they were.
    """
    ours = yaml.safe_load(OWN_COMPOSE) | {"include": ["etter-obs/docker-compose.yml"]}
    (project / "docker-compose.yml").write_text(yaml.safe_dump(ours))
    read = _compose(project)
    services = read["services"]
    assert read["name"] == "project"
    assert read["networks"]["default"]["name"] == "shops"
    assert services["redis"]["image"] == "redis:7"
    for name in ("web", "prometheus", "otel-collector", "grafana"):
        assert "default" in services[name]["networks"], name
    assert {volume["source"] for volume in services["prometheus"]["volumes"]} == {
        *(str(project / "etter-obs" / name) for name in ("prometheus", "alerts")),
        str(project / "etter-obs/secrets/prometheus"),
        "prometheus",
    }


def test_the_apps_redis_and_postgres_are_observed_on_demand(project: Path) -> None:
    """Their exporters are a profile each: addresses from .env, the password from its file."""
    folder = project / "etter-obs"
    (folder / ".env").write_text("REDIS_ADDR=redis://cache:6379\nPOSTGRES_USER=shop\n")
    every = ("--profile", "redis", "--profile", "postgres")
    services = _compose(project, "-f", "etter-obs/docker-compose.yml", *every)["services"]
    redis, postgres = services["redis-exporter"], services["postgres-exporter"]
    assert redis["environment"]["REDIS_ADDR"] == "redis://cache:6379"
    assert postgres["environment"]["DATA_SOURCE_USER"] == "shop"
    assert [secret["source"] for secret in postgres["secrets"]] == ["postgres-exporter-password"]
    for name, service in (("redis", redis), ("postgres", postgres)):
        assert not service.get("depends_on")
        targets = (folder / f"prometheus/targets/{name}.yml").read_text()
        assert not yaml.safe_load(targets), "Prometheus would miss an exporter that nobody started"
        assert yaml.safe_load(targets.replace("# - targets", "- targets"))


def test_a_second_run_adds_what_is_missing_and_keeps_what_was_changed(project: Path) -> None:
    """It exits with 0, names what is not as shipped, and touches neither that nor slo.yaml."""
    folder = project / "etter-obs"
    code, said = run("init", cwd=project)
    assert (code, said) == (0, "shop: no file is missing in etter-obs\n")
    (folder / "loki/config.yaml").write_text("mine: true\n")
    (folder / "tempo/config.yaml").unlink()
    spec = folder / "slo.yaml"
    spec.write_text(spec.read_text().replace("99.9%", "99.5%"))
    before = _contents(project)
    code, said = run("init", cwd=project)
    assert code == 0, said
    assert "shop: wrote 1 file to etter-obs" in said
    assert "etter-obs/loki/config.yaml: kept, although it differs" in said
    assert "run `etter-obs generate`" in said
    after = _contents(project)
    assert after.pop("etter-obs/tempo/config.yaml")
    assert after == before


def test_force_keeps_what_it_replaces(project: Path) -> None:
    """Each replaced file is kept next to it as FILE.bak, and never over an older backup.

    slo.yaml, targets and notes are the user's: it does not touch them.
    """
    folder = project / "etter-obs"
    own = ("slo.yaml", "prometheus/targets/shop.yml", "alerts/runbooks/ServiceDown.md")
    for path in own:
        (folder / path).write_text((folder / path).read_text() + "# mine\n")
    for mine, backup in (("one: 1\n", "config.yaml.bak"), ("two: 2\n", "config.yaml.bak2")):
        (folder / "loki/config.yaml").write_text(mine)
        code, said = run("init", "--force", cwd=project)
        assert code == 0, said
        assert f"kept etter-obs/loki/{backup}" in said
        assert (folder / "loki" / backup).read_text() == mine
        shipped = (CHECKOUT / "loki/config.yaml").read_text()
        assert (folder / "loki/config.yaml").read_text() == shipped
    for path in own:
        assert (folder / path).read_text().endswith("# mine\n"), path


def test_files_of_another_owner_stop_init(tmp_path: Path) -> None:
    """If the folder contains a compose file, it writes nothing, names it, and says where to write.

    With --force the file that was there is kept.
    """
    (tmp_path / "docker-compose.yml").write_text(OWN_COMPOSE)
    code, said = run("init", ".", *SERVICE, cwd=tmp_path)
    assert code == 1, said
    assert "docker-compose.yml: already exists" in said
    assert "nothing was written" in said
    assert _contents(tmp_path) == {"docker-compose.yml": OWN_COMPOSE.encode()}
    assert run("init", ".", *SERVICE, "--force", cwd=tmp_path)[0] == 0
    assert (tmp_path / "docker-compose.yml.bak").read_text() == OWN_COMPOSE
    assert run("generate", "--check", cwd=tmp_path)[0] == 0


@pytest.mark.parametrize("blocker", ["etter-obs", "etter-obs/alerts", "etter-obs/secrets"])
def test_what_cannot_be_written_leaves_nothing_half_written(blocker: str, tmp_path: Path) -> None:
    """A file where a folder must be: named, exit code 2, and no other file is there afterwards."""
    (tmp_path / blocker).parent.mkdir(exist_ok=True)
    (tmp_path / blocker).write_text("mine")
    code, said = run("init", *SERVICE, cwd=tmp_path)
    assert code == 2, said
    assert f"{blocker}: a file, but a folder is needed there\n" in said
    assert _contents(tmp_path) == {blocker: b"mine"}


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    """The space ends within the files: exit code 2, the reason, and no file or folder is left."""
    limited = ["bash", "-c", 'ulimit -f 64; exec "$@"', "-"]  # kilobytes that a file may have
    command = [sys.executable, "-m", "etter_obs", "init", *SERVICE]
    done = subprocess.run(
        [*limited, *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("folder", "service"),
    [
        ("My Shop 2", "my-shop-2"),
        ("2024_orders", "orders"),
        ("etter-obs", "{parent}"),
        ("日本", ""),
    ],
)
def test_without_a_terminal_the_service_is_called_as_the_folder(
    folder: str, service: str, tmp_path: Path
) -> None:
    """It asks nothing; the output names the service. Without a usable name, exit code 2."""
    where = tmp_path / "Parent" / folder
    where.mkdir(parents=True)
    code, said = run("init", cwd=where)
    if not service:
        assert (code, "--service NAME" in said) == (2, True), said
        assert list(where.iterdir()) == []
        return
    name = service.format(parent="parent")
    assert code == 0, said
    assert f"the service is named {name}, like the folder" in said
    assert f"\nservice: {name}\n" in (where / "etter-obs/slo.yaml").read_text()


def test_in_a_terminal_it_asks(tmp_path: Path) -> None:
    """It asks for the name and the target, proposes both, and asks again where one is wrong."""
    answers = "Shop!\nshop\nlocalhost:8000\n9001\n"
    code, said = _in_a_terminal(tmp_path, answers)
    assert code == 0, said
    assert f"Name of the service [{tmp_path.name.replace('_', '-')}]" in said
    assert "'Shop!' is not a name" in said
    assert "localhost is Prometheus itself" in said
    assert (tmp_path / "etter-obs/prometheus/rules/shop.availability.yml").is_file()
    targets = (tmp_path / "etter-obs/prometheus/targets/shop.yml").read_text()
    assert 'targets: ["host.docker.internal:9001"]' in targets


def test_an_interrupt_at_the_question_writes_nothing(tmp_path: Path) -> None:
    """Ctrl-C at a question: exit code 1 and an empty folder."""
    code, said = _in_a_terminal(tmp_path, INTERRUPT)
    assert code == 1, said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def _in_a_terminal(cwd: Path, typed: str) -> tuple[int, str]:
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a test run in the background ignores it
        os.chdir(cwd)
        os.execv(sys.executable, [sys.executable, "-m", "etter_obs", "init"])
    said = os.read(terminal, 4096)  # the first question: whoever types earlier is not heard
    os.write(terminal, typed.encode())
    try:
        while True:
            # readline misses a Ctrl-C of the moment before it waits for a key: press it again.
            if typed == INTERRUPT and not select.select([terminal], [], [], 1)[0]:
                os.write(terminal, typed.encode())
            elif chunk := os.read(terminal, 4096):
                said += chunk
            else:
                break
    except OSError:  # Linux says the end of a terminal so
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--service", "Shop"], "'Shop' is not a name: lower-case letters"),
        (["--service", "redis"], "'redis' is the name of a part of the stack"),
        (["--target", "http://shop:8000"], "is not HOST:PORT"),
        (["--target", "shop:70000"], "is not HOST:PORT"),
        (["--target", "127.0.0.1:8000"], "use host.docker.internal:8000 for the machine"),
        (["--secrets-only"], "slo.yaml: no such file; run `etter-obs init`"),
    ],
    ids=" ".join,
)
def test_a_wrong_option_is_named(arguments: list[str], said: str, tmp_path: Path) -> None:
    """An invalid value is one message that names the option, exit code 2, nothing written."""
    code, text = run("init", *arguments, cwd=tmp_path)
    assert code == 2
    assert said in text
    assert list(tmp_path.iterdir()) == []


def test_a_name_or_a_target_that_is_there_already_is_the_users(shipped: Path) -> None:
    """Given another service or target, it names the file of the current one, and writes nothing."""
    before = _contents(shipped)
    code, said = run("init", "--service", "till", cwd=shipped)
    assert (code, "slo.yaml: the service is already 'shop'" in said) == (2, True), said
    code, said = run("init", "--target", "till:80", cwd=shipped)
    assert (code, "targets/shop.yml: this file exists" in said) == (2, True), said
    assert _contents(shipped) == before


def test_what_it_says_next_can_be_pasted(tmp_path: Path) -> None:
    """In another folder the commands that it names have their --dir, and the files exist."""
    code, said = run("init", "observability/", *SERVICE, cwd=tmp_path)
    assert code == 0, said
    named = [line.split()[0] for line in said.split("Review\n")[1].splitlines()[:3]]
    assert all((tmp_path / path).is_file() for path in named), named
    command = re.search(r"`etter-obs (.*)`", said)
    assert command
    assert run(*command[1].split(), cwd=tmp_path)[0] == 0
    _compose(tmp_path, *re.search(r"docker compose (.*) up", said)[1].split())  # type: ignore[index]
    spec = re.search(r"ETTER_OBS_SLO_FILE=(.*)", said)
    assert spec
    assert (tmp_path / spec[1]).is_file()


def test_secrets_only_makes_what_git_does_not_hold(project: Path) -> None:
    """After a fresh clone it makes what is missing, and only that; in an older layout too."""
    folder = project / "etter-obs"
    kept = (folder / "secrets/prometheus/metrics-token").read_text()
    (folder / "secrets/grafana-admin-password").unlink()
    code, said = run("init", "--secrets-only", cwd=project)
    assert (code, said) == (0, "created etter-obs/secrets/grafana-admin-password\n")
    assert (folder / "secrets/prometheus/metrics-token").read_text() == kept
    # The bundle's own compose file has a PostgreSQL, and so a password for it.
    shutil.copy(CHECKOUT / "docker-compose.yml", folder)
    assert "postgres-password" in run("init", "--secrets-only", cwd=project)[1]
    assert ensure_secrets(folder) == []


def test_a_build_takes_the_folder_for_no_package(project: Path) -> None:
    """setuptools, left to find the app's packages itself, still builds the app's wheel."""
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "shop"\nversion = "1"\n'
    )
    (project / "shop").mkdir()
    (project / "shop/__init__.py").touch()
    done = subprocess.run(
        [sys.executable, "-m", "uv", "build", "--quiet", "--wheel"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
