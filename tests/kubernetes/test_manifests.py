"""The Kubernetes form: stable, complete, and the same rules and routing as the files form."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from etter_obs._internal.conventions.external import COLLECTOR_IMAGE
from etter_obs._internal.generate.kubernetes.alertmanager_config import (
    alertmanager_config,
    secret_files,
)
from etter_obs._internal.generate.kubernetes.kustomize import patch
from etter_obs._internal.generate.kubernetes.plan import Sources
from etter_obs._internal.settings import unread_variables
from etter_obs._internal.slo.alerts.alertmanager import configuration
from etter_obs._internal.slo.alerts.burn_rate import alerts
from etter_obs._internal.slo.alerts.stack import stack
from etter_obs._internal.slo.loading.loader import load_environments
from etter_obs._internal.slo.rules.recording import rules
from etter_obs._internal.text.yaml import GENERATED
from stack.build import binary
from stack.versions import IMAGES
from tests.command_line import run
from tests.kubernetes.projects import SPEC, written
from tests.kubernetes.schemas import faults
from tests.slo.specs import ROOT


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of its own."""
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def files(root: Path) -> dict[str, str]:
    """The files of the Kubernetes form."""
    return written(root)


def test_the_same_spec_gives_the_same_bytes(files: dict[str, str], tmp_path: Path) -> None:
    """A second run, and a file whose keys stand in another order, make no difference."""
    again = written(tmp_path, yaml.safe_dump(yaml.safe_load(SPEC), sort_keys=True))
    own = "base/slo.yaml"  # a copy
    assert {**again, own: files[own]} == files


def test_every_file_says_that_it_is_generated(files: dict[str, str]) -> None:
    """The first line of each says to change slo.yaml instead; of JSON, the first lines."""
    for path, text in files.items():
        head = text[:400] if path.endswith(".json") else text.splitlines()[0]
        assert GENERATED in head, path


def test_every_resource_has_the_fields_that_kubernetes_knows(files: dict[str, str]) -> None:
    """Each resource, and each that an overlay patches, satisfies the schema of its kind."""
    resources = {
        (path, index): content
        for path, text in files.items()
        if path.endswith(".yaml") and "/patches/" not in path
        for index, content in enumerate(yaml.safe_load_all(text))
        if isinstance(content, dict) and content.get("kind", "Kustomization") != "Kustomization"
    }
    for path, text in files.items():
        if "/patches/" in path and isinstance(operations := yaml.safe_load(text), list):
            base = _load(files["base/" + path.partition("/patches/")[2]])
            resources[path, 0] = _applied(base, operations)
    assert len(resources) > 90
    assert not [(*key, fault) for key, one in resources.items() for fault in faults(one)]
    broken = _load(files["base/shop/deployment.yaml"])
    broken["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    assert "livenesProbe" in faults(broken)[0]


def test_every_file_is_named_once_by_its_kustomization(files: dict[str, str]) -> None:
    """A kustomization names exactly the files of its folder."""
    for folder in ("base", "overlays/production", "overlays/staging", "overlays/preview"):
        kustomization = yaml.safe_load(files[f"{folder}/kustomization.yaml"])
        named = [
            *(path for path in kustomization["resources"] if path != "../../base"),
            *(file for made in kustomization["configMapGenerator"] for file in made["files"]),
            *(entry["path"] for entry in kustomization.get("patches", [])),
        ]
        held = [path.removeprefix(f"{folder}/") for path in files if path.startswith(folder)]
        assert sorted([*named, "kustomization.yaml"]) == sorted(held)


def test_the_rules_are_those_of_the_files_form(root: Path, files: dict[str, str]) -> None:
    """Each environment has the same groups; alerts carry the namespace besides."""
    for environment, specs in load_environments(root / "slo.yaml").items():
        wanted = [stack(specs[0]), *(part(spec) for spec in specs for part in (rules, alerts))]
        groups = [g for part in wanted for text in part.values() for g in _load(text)["groups"]]
        found = []
        namespaces = set()
        for path, text in files.items():
            if path.startswith(f"overlays/{environment}/rules/"):
                found += _load(text)["spec"]["groups"]
        for rule in (rule for group in found for rule in group["rules"] if "alert" in rule):
            namespaces.add(rule["labels"].pop("namespace"))
        assert _by_name(found) == _by_name(groups)
        assert namespaces == {
            _load(files[f"overlays/{environment}/kustomization.yaml"])["namespace"]
        }


def test_an_overlay_is_what_its_environment_says(files: dict[str, str], tmp_path: Path) -> None:
    """The base with staging's patches is the base of a file whose own environment is staging."""
    content = yaml.safe_load(SPEC)
    staging = content["environments"].pop("staging")
    content |= {"environment": "staging", "metrics_token_file": None, "environments": {}}
    content["kubernetes"] |= staging["kubernetes"]
    content["services"]["orders"]["deployment"] = None
    content["deployment"] |= {**staging["deployment"], "replicas": {"min": 1, "max": 20}}
    content["services"]["search"]["deployment"] = staging["deployment"]
    wanted = written(tmp_path, yaml.safe_dump(content))
    patches = _load(files["overlays/staging/kustomization.yaml"])["patches"]
    assert len(patches) > 4
    for entry in patches:
        path = entry["path"].removeprefix("patches/")
        operations = yaml.safe_load(files[f"overlays/staging/{entry['path']}"])
        assert _applied(_load(files[f"base/{path}"]), operations) == _load(wanted[f"base/{path}"])
    untouched = {f"base/{entry['path'].removeprefix('patches/')}" for entry in patches}
    for path in files:
        if path.startswith("base/") and path not in {*untouched, "base/slo.yaml"}:
            assert files[path] == wanted[path]


_VALUES = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=12,
)
_RESOURCES = st.dictionaries(st.text(max_size=2), _VALUES, max_size=4)


@given(_RESOURCES, _RESOURCES)
def test_a_patch_leads_from_any_resource_to_any_other(
    base: dict[str, Any], wanted: dict[str, Any]
) -> None:
    """Applied to the base, the operations give the wanted resource; equal ones need none."""
    operations = patch(base, wanted)
    assert operations is not None
    assert _applied(base, operations) == wanted
    assert patch(base, base) == []


def test_the_app_gets_settings_that_it_reads_and_time_to_drain(files: dict[str, str]) -> None:
    """Variables are known ones, and the grace period covers preStop, drain and flush."""
    pod = _load(files["base/shop/deployment.yaml"])["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    env = {one["name"]: one["value"] for one in container["env"]}
    assert not unread_variables(env)
    ready = container["readinessProbe"]
    drain = int(env["ETTER_OBS_DRAIN_SECONDS"])
    assert drain > ready["periodSeconds"] * ready["failureThreshold"]
    stop = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= stop + drain + 3
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    for file in (env["ETTER_OBS_SLO_FILE"], env["ETTER_OBS_METRICS_TOKEN_FILE"]):
        assert str(PurePosixPath(file).parent) in mounted


def test_the_collector_has_the_image_of_compose() -> None:
    """Both run one version."""
    assert IMAGES["otel-collector"] == COLLECTOR_IMAGE


def test_secrets_are_named_by_reference_only(root: Path, files: dict[str, str]) -> None:
    """Each file with a secret has a key in the Secret that the receivers refer to."""
    specs = load_environments(root / "slo.yaml")["production"]
    config = _load(files["overlays/production/alertmanagerconfig.yaml"])
    keys = secret_files(specs[0])
    assert set(keys.values()) == set(_files_named(configuration(specs[0])["receivers"]))
    assert set(_keys_named(config["spec"])) == set(keys)
    for key, file in keys.items():
        assert f"--from-file={key}={file}" in files["overlays/production/alertmanagerconfig.yaml"]


def test_notifications_read_as_in_the_files_form(root: Path, tmp_path: Path) -> None:
    """Alertmanager renders each text the same with inlined templates as with template files."""
    (spec, *_) = load_environments(root / "slo.yaml")["production"]
    data = tmp_path / "notification.json"
    data.write_text(json.dumps(_NOTIFICATION), encoding="utf-8")
    inlined = alertmanager_config(spec, Sources.of(root).templates)
    texts = {
        text for text in _texts(configuration(spec)["receivers"]) if text.startswith("{{ template")
    }
    full = {text for text in _texts(inlined) if text.startswith("{{ define")}
    assert len(texts) == len(full) > 6
    for short in texts:
        (long,) = (text for text in full if text.endswith(short))
        kind = "html" if "etter.html" in short else "text"
        by_itself = _rendered(long, kind, "none*.tmpl", data)
        assert by_itself == _rendered(short, kind, "alerts/templates/*", data)
        assert by_itself


def test_generate_writes_checks_and_removes(tmp_path: Path) -> None:
    """The command writes the files, finds what differs, and removes what no environment needs."""
    (tmp_path / "slo.yaml").write_text(SPEC, encoding="utf-8")
    command = ("generate", "--format", "kubernetes", "--output", "deploy")
    code, said = run(*command, cwd=tmp_path)
    assert code == 0
    assert "promql-extended-range-selectors" in said
    assert "no Deployment for orders" in said
    mine = tmp_path / "deploy/overlays/production/mine.yaml"
    mine.write_text("kind: ConfigMap\n", encoding="utf-8")
    assert run(*command, "--check", cwd=tmp_path)[0] == 0
    (tmp_path / "deploy/base/kustomization.yaml").write_text("", encoding="utf-8")
    shorter = SPEC[: SPEC.index("  preview:")]
    (tmp_path / "slo.yaml").write_text(shorter, encoding="utf-8")
    code, said = run(*command, "--check", cwd=tmp_path)
    assert code == 1
    assert "deploy/base/kustomization.yaml: differs" in said
    assert "deploy/overlays/preview/kustomization.yaml: stale" in said
    assert "--format kubernetes --output deploy" in said
    assert run(*command, cwd=tmp_path)[0] == 0
    assert not (tmp_path / "deploy/overlays/preview/kustomization.yaml").exists()
    assert mine.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--format", "kubernetes"), "--output"),
        (("--output", "deploy"), "--format kubernetes"),
        (
            ("--format", "kubernetes", "--output", "deploy", "--environment", "staging"),
            "an overlay for each environment",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    """Each gives one message and exit code 2, and nothing is written."""
    (tmp_path / "slo.yaml").write_text(SPEC, encoding="utf-8")
    code, output = run("generate", *options, cwd=tmp_path)
    assert code == 2
    assert said in output
    assert [path.name for path in tmp_path.iterdir()] == ["slo.yaml"]


def test_a_missing_template_is_named(tmp_path: Path) -> None:
    """A project whose own templates lack one that notifications use gets its name."""
    (tmp_path / "slo.yaml").write_text(SPEC, encoding="utf-8")
    (tmp_path / "alerts/templates").mkdir(parents=True)
    (tmp_path / "alerts/templates/etter.tmpl").write_text('{{ define "etter.title" }}x{{ end }}')
    code, said = run("generate", "--format", "kubernetes", "--output", "deploy", cwd=tmp_path)
    assert code == 2
    assert "no file defines 'etter." in said


def _load(text: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def _by_name(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(groups, key=lambda group: str(group["name"]))


def _applied(base: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Apply a JSON patch (RFC 6902) of add, replace and remove."""
    holder: dict[str, Any] = {"": json.loads(json.dumps(base))}
    for operation in operations:
        tokens = [""] + [
            token.replace("~1", "/").replace("~0", "~")
            for token in operation["path"].split("/")[1:]
        ]
        place: Any = holder
        for token in tokens[:-1]:
            place = place[int(token) if isinstance(place, list) else token]
        last = int(tokens[-1]) if isinstance(place, list) else tokens[-1]
        assert (last in place) != (operation["op"] == "add") if isinstance(place, dict) else True
        if operation["op"] == "remove":
            del place[last]
        else:
            place[last] = operation["value"]
    result: dict[str, Any] = holder[""]
    return result


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return [text for item in items for text in _texts(item)]
    return []


def _files_named(value: Any) -> list[str]:
    return [text for text in _texts(value) if text.startswith("secrets/")]


def _keys_named(value: Any) -> list[str]:
    if isinstance(value, list):
        return [key for item in value for key in _keys_named(item)]
    if not isinstance(value, dict):
        return []
    own = [str(value["key"])] if value.get("name") == "etter-obs-receivers" else []
    return own + [key for item in value.values() for key in _keys_named(item)]


_NOTIFICATION: Final = {
    "status": "firing",
    "externalURL": "http://alertmanager.example.org",
    "groupLabels": {"service": "shop", "slo": "availability"},
    "commonLabels": {"service": "shop", "severity": "page", "environment": "production"},
    "alerts": [
        {
            "status": status,
            "startsAt": "2026-01-01T00:00:00Z",
            "endsAt": "2026-01-01T01:00:00Z",
            "annotations": {
                "summary": "shop burns <its> budget",
                "description": "Requests & answers.",
                "dashboard": "http://grafana.example.org/d/x?var-service=shop",
                "runbook": "alerts/runbooks/X.md",
                "burn_rate": "14.4 times too fast",
                "budget_remaining": "98 %",
                "exhausted_in": "2d",
            },
        }
        for status in ("firing", "resolved")
    ],
}


def _rendered(text: str, kind: str, templates: str, data: Path) -> str:
    done = subprocess.run(
        [
            *(binary("amtool"), "template", "render", f"--template.type={kind}"),
            *(f"--template.glob={templates}", f"--template.text={text}"),
            f"--template.data={data}",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
