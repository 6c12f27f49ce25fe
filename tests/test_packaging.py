"""The wheel alone does the job: it carries the bundle, and importing it is light."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from frontend.viewer import viewing
from stack.build import binary
from tests.servers import running
from tests.waiting import eventually
from tests.wheel import ROOT, installed_in, run


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of an environment that holds the wheel, its command line and FastAPI."""
    folder = tmp_path_factory.mktemp("installed")
    return installed_in(folder, f"{wheel}[cli]", "fastapi").parent


@pytest.fixture(scope="module")
def installed_with_all(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel, all its extras, and a server."""
    return installed_in(tmp_path_factory.mktemp("all"), f"{wheel}[all]", "fastapi", "uvicorn")


def test_the_wheel_carries_the_bundle_and_its_types(wheel: Path) -> None:
    """Every folder of the stack's configuration is in the wheel, and py.typed with it."""
    names = zipfile.ZipFile(wheel).namelist()
    assert "etter_obs/py.typed" in names
    for part in ("slo.yaml", "docker-compose.yml"):
        assert f"etter_obs/_bundle/{part}" in names
    for folder in ("prometheus", "alerts", "otel-collector", "grafana", "loki", "tempo"):
        assert any(name.startswith(f"etter_obs/_bundle/{folder}/") for name in names), folder
    assert not [name for name in names if "secret" in name and "_bundle" in name]


def test_the_wheel_carries_the_pages(wheel: Path) -> None:
    """Console and viewer come built, with the licences of the libraries in them."""
    names = zipfile.ZipFile(wheel).namelist()
    static = "etter_obs/_internal/web/static"
    assert f"{static}/THIRD-PARTY-LICENSES.txt" in names
    for page in ("console", "view"):
        for file in ("index.html", "app.js", "app.css"):
            assert f"{static}/{page}/{file}" in names


def test_the_viewer_works_from_the_wheel_alone(
    wheel: Path, installed: Path, tmp_path: Path
) -> None:
    """With its extra, `etter-obs view` serves the page and a project's nine dashboards.

    Without the extra it ends with 2 and the line that installs it.
    """
    run(installed / "etter-obs", "init", "--service", "shop", cwd=tmp_path)
    said = run(installed / "etter-obs", "view", cwd=tmp_path, expect=2)
    assert "run pip install 'etter-obs[view]'" in said, said
    program = installed_in(tmp_path, f"{wheel}[view]").parent / "etter-obs"
    with (
        viewing(tmp_path / "etter-obs", program=[program]) as link,
        httpx.Client(follow_redirects=True, timeout=30) as browser,
    ):
        assert "etter-obs" in browser.get(link).text
        for file in ("/app.js", "/app.css"):
            assert browser.get(urljoin(link, file)).status_code == 200
        assert len(browser.get(urljoin(link, "/api/settings")).json()["boards"]) == 9


def test_a_strangers_first_run_works_from_the_wheel_alone(
    installed_with_all: Path, tmp_path: Path
) -> None:
    """The README's commands, in an empty folder, with nothing of this tree: all end with 0.

    The app then reads its targets from the file that `init` wrote, and shows the hash that the
    rules carry; its console opens; the doctor finds no fault but the stack, which does not run.
    """
    (tmp_path / "main.py").write_text(
        "from fastapi import FastAPI\nfrom etter_obs import setup_observability\n"
        "app = FastAPI()\nobs = setup_observability(app)\n"
        "@app.get('/items')\ndef items() -> list[str]:\n    return []\n"
    )
    command = installed_with_all.parent / "etter-obs"
    run(command, "init", "--service", "shop", cwd=tmp_path)
    run(command, "generate", "--check", cwd=tmp_path)
    tools = [f"--{name}={binary(name)}" for name in ("promtool", "amtool")]
    said = run(command, "check", "--require", "--no-tests", *tools, cwd=tmp_path)
    assert said.count(": ok") == 2, said
    run(command, "slo", "check", cwd=tmp_path)
    compose = ["-f", "etter-obs/docker-compose.yml", "config", "--quiet"]
    run(binary("docker-compose"), *compose, cwd=tmp_path)
    spec = "etter-obs/slo.yaml"
    with running(
        "uvicorn",
        "main:app",
        python=installed_with_all,
        cwd=tmp_path,
        environment={"ETTER_OBS_SLO_FILE": spec, "ETTER_OBS_CONSOLE": "true"},
    ) as app:
        assert app.get("/items").status_code == 200
        named = "etter-obs console: "
        [console] = eventually(
            lambda: [line for line in app.output if line.startswith(named)], deadline_s=30
        )
        with httpx.Client(follow_redirects=True, timeout=30) as browser:
            assert browser.get(console.partition(": ")[2]).status_code == 200
        shown = re.search(r'etter_slo_spec_info\{.*sha256="(\w+)".*\} 1', app.get("/metrics").text)
    assert shown, "the app shows no hash of its targets"
    assert shown[1] in (tmp_path / "etter-obs/alerts/rules/shop.yml").read_text()
    found = run(command, "doctor", cwd=tmp_path, expect=1, ETTER_OBS_SLO_FILE=spec)
    faults = [line for line in found.splitlines() if line.startswith("BAD")]
    assert len(faults) == 3, found
    assert all("start the stack" in line for line in faults), found


def test_a_changed_spec_is_drift_until_generate_runs(installed: Path, tmp_path: Path) -> None:
    """In a user's project: a change in slo.yaml fails --check (exit 1), and generate fixes that."""
    run(installed / "etter-obs", "init", cwd=tmp_path)
    spec = tmp_path / "etter-obs/slo.yaml"
    spec.write_text(spec.read_text().replace("objective: 99.9%", "objective: 99.5%"))
    run(installed / "etter-obs", "generate", "--check", cwd=tmp_path, expect=1)
    run(installed / "etter-obs", "generate", cwd=tmp_path)
    run(installed / "etter-obs", "generate", "--check", cwd=tmp_path)


def test_without_its_extra_the_command_line_names_the_line_that_installs_it(
    wheel: Path, tmp_path: Path
) -> None:
    """`etter-obs` and `python -m etter_obs` end with 2 and one line; following it helps.

    The wheel alone brings nothing of the command line, and no FastAPI or prometheus_client.
    """
    python = installed_in(tmp_path, str(wheel))
    folder = tmp_path / "project"
    folder.mkdir()
    for command in ([python.parent / "etter-obs"], [python, "-m", "etter_obs"]):
        said = run(*command, "init", cwd=folder, expect=2)
        assert said.splitlines() == [
            "etter-obs: click is not installed; run pip install 'etter-obs[cli]'"
        ]
    listed = run(sys.executable, "-m", "uv", "pip", "list", "--python", python, cwd=folder)
    brought = {line.split()[0] for line in listed.splitlines()}
    unasked = {"click", "rich", "grafana-foundation-sdk", "fastapi", "prometheus-client"}
    assert not brought & (unasked | {"opentelemetry-sdk"})


def test_importing_the_package_loads_nothing_of_the_command_line(installed: Path) -> None:
    """`import etter_obs` loads nothing of the command line; nor does using it, but for structlog.

    structlog itself loads rich where that is installed.
    """
    script = (
        "import sys, etter_obs\n"
        "heavy = {'click', 'rich', 'grafana_foundation_sdk', 'etter_obs._internal.cli'}\n"
        "print('imported:', sorted(heavy & set(sys.modules)))\n"
        "etter_obs.setup_observability; etter_obs.get_logger\n"
        "print('used:', sorted((heavy - {'rich'}) & set(sys.modules)))"
    )
    said = run(installed / "python", "-c", script, cwd=installed)
    assert said.split("\n")[:2] == ["imported: []", "used: []"]


def test_a_set_up_loads_no_package_of_what_is_off(tmp_path: Path) -> None:
    """With nothing switched on, an observed app has not paid for what it does not use."""
    script = (
        "import sys, fastapi, etter_obs\n"
        "etter_obs.setup_observability(fastapi.FastAPI()).shutdown()\n"
        "optional = {'grpc', 'opentelemetry.sdk', 'opentelemetry.instrumentation', 'redis'}\n"
        "optional |= {'prometheus_client', 'sentry_sdk', 'sqlalchemy'}\n"
        "print('loaded:', sorted(optional & set(sys.modules)))"
    )
    said = run(sys.executable, "-c", script, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert "loaded: []" in said.splitlines(), said


@pytest.mark.parametrize(
    ("variables", "extra"),
    [
        ("APM_ENABLED=true ETTER_OBS_OTLP_LOGS_ENABLED=false", "otlp"),
        (
            "APM_ENABLED=true ETTER_OBS_OTLP_LOGS_ENABLED=false "
            "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
            "otlp",
        ),
        ("ERROR_TRACKING_ENABLED=true SENTRY_DSN=https://key@sentry.example/1", "sentry"),
    ],
)
def test_a_part_without_its_package_is_left_out_aloud(
    installed: Path, variables: str, extra: str
) -> None:
    """What a variable switches on and is not installed costs one WARNING, never the start.

    The line, and the doctor's, name the extra to install and the variable that switches it off.
    """
    script = "import fastapi, etter_obs; etter_obs.setup_observability(fastapi.FastAPI())"
    start: list[str | Path] = [installed / "python", "-c", script]
    said = run("/usr/bin/env", *variables.split(), *start, cwd=installed)
    advice = [json.loads(line) for line in said.splitlines() if "are disabled" in line]
    assert [line["level"] for line in advice] == ["WARNING"], said
    switch = variables.split("=")[0]
    remedy = f"run pip install 'etter-obs[{extra}]', or set {switch}=false"
    assert remedy in advice[0]["message"]
    doctor: list[str | Path] = [*variables.split(), installed / "etter-obs", "doctor"]
    found = run("/usr/bin/env", *doctor, cwd=installed, expect=None)
    assert found.count(remedy) == 1, found
    off = [*variables.split(), f"{switch}=false"]
    assert "are disabled" not in run("/usr/bin/env", *off, *start, cwd=installed)


def test_a_broken_httpx_ends_no_app_that_does_not_use_it(installed: Path, tmp_path: Path) -> None:
    """A library that is there and cannot be imported costs its metrics, with one WARNING."""
    (tmp_path / "httpx.py").write_text("raise AttributeError('of another release')")
    script = "import fastapi, etter_obs; etter_obs.setup_observability(fastapi.FastAPI())"
    said = run(installed / "python", "-c", script, cwd=tmp_path)
    advice = [json.loads(line) for line in said.splitlines() if "are disabled" in line]
    assert [line["level"] for line in advice] == ["WARNING"], said
    assert "httpx cannot be imported (AttributeError: of another release)" in advice[0]["message"]


def test_the_pytest_plugin_needs_no_traces(wheel: Path, tmp_path: Path) -> None:
    """Without the extra `otlp` all fixtures work but `obs_spans`, which names the line for it."""
    python = installed_in(tmp_path, str(wheel), "fastapi", "httpx", "pytest")
    (tmp_path / "test_stranger.py").write_text(
        "import fastapi, fastapi.testclient\n"
        "def test_lines_and_metrics(observe, obs_logs, obs_metrics):\n"
        "    app = fastapi.FastAPI()\n"
        "    observe(app)\n"
        "    with fastapi.testclient.TestClient(app) as client:\n"
        "        client.get('/absent')\n"
        "    obs_logs.assert_logged('Request completed', status_code=404)\n"
        "    obs_metrics.assert_increased('etter_requests_total', status='404')\n"
        "def test_spans(obs_spans): pass\n"
    )
    said = run(python, "-m", "pytest", "-q", "test_stranger.py", cwd=tmp_path, expect=1)
    assert "1 passed" in said, said
    assert (
        "ImportError: opentelemetry-sdk is not installed; run pip install 'etter-obs[otlp]'" in said
    )
