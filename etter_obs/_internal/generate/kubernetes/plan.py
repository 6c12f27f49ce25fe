"""Every file of the Kubernetes form: ``base`` for all environments, ``overlays/<environment>``.

The base has what the file's own environment says; an overlay patches what another one says
differently, and adds what carries the environment in every line: rules, routing and dashboards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from etter_obs._internal.bundle import bundle_root
from etter_obs._internal.dashboards import dashboards
from etter_obs._internal.generate.kubernetes import app, collector, monitors
from etter_obs._internal.generate.kubernetes.alertmanager_config import (
    SECRET,
    alertmanager_config,
    secret_files,
)
from etter_obs._internal.generate.kubernetes.kustomize import (
    FILE,
    config_map,
    kustomization,
    patch,
)
from etter_obs._internal.generate.kubernetes.resources import MANAGED_BY, Resource, resource
from etter_obs._internal.generate.plan import Plan
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.text.yaml import GENERATED, yaml_document

_OWNED: Final = (("base", "**/*"), ("overlays", "**/*"))
_COLLECTOR: Final = "otel-collector"
_TEMPLATES: Final = "alerts/templates"
_CONFIG_MAP_BYTES: Final = 1_000_000
"""A ConfigMap holds 1 MiB with its keys and metadata."""
_DASHBOARD: Final = "etter-obs-"
_FOLDER: Final = "etter-obs"


class TooLargeError(ValueError):
    """A file does not fit into a ConfigMap."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Texts of the project that pods get as they are."""

    spec: str
    collector: Mapping[str, str]
    templates: str

    @classmethod
    def of(cls, root: Path) -> Sources:
        """Read them from the project in ``root``; what it lacks, from the package.

        Raises:
            OSError: a file cannot be read.
        """

        def folder(name: str) -> Path:
            return root / name if (root / name).is_dir() else bundle_root() / name

        def read(path: Path) -> str:
            return path.read_text(encoding="utf-8")

        shipped = bundle_root() / _COLLECTOR
        configs = {
            file: read(own if (own := root / _COLLECTOR / file).is_file() else shipped / file)
            for file in collector.CONFIG_FILES
        }
        templates = sorted(folder(_TEMPLATES).glob("*.tmpl"))
        return cls(read(root / "slo.yaml"), configs, "\n".join(map(read, templates)))


def kubernetes(environments: Mapping[str, Sequence[Spec]], sources: Sources) -> Plan:
    """Return the plan of all services in all environments.

    Args:
        environments: the specs of each, those of the file's own first.
        sources: see there.

    Raises:
        MissingTemplateError: a notification's template is not defined.
        TooLargeError: see there.
    """
    base = _workloads(next(iter(environments.values())))
    files = {f"base/{path}": yaml_document(content) for path, content in base.items()}
    config_maps = [
        config_map(collector.CONFIG, [f"collector/{name}" for name in sources.collector])
    ]
    files |= {f"base/collector/{name}": _copied(text) for name, text in sources.collector.items()}
    if any(spec.deployment for specs in environments.values() for spec in specs):
        config_maps.append(config_map(app.SPEC_FILE, ["slo.yaml"]))
        files["base/slo.yaml"] = _copied(sources.spec)
    files[f"base/{FILE}"] = kustomization(resources=sorted(base), configMapGenerator=config_maps)
    for environment, specs in environments.items():
        overlay = _overlay(specs, base, sources.templates)
        files |= {f"overlays/{environment}/{path}": text for path, text in overlay.items()}
    _check_sizes(files)
    return Plan(files, {}, {}, _OWNED)


def _workloads(specs: Sequence[Spec]) -> dict[str, Resource]:
    """Return what runs and what scrapes it, by path."""
    found: dict[str, Resource] = {}
    for spec in specs:
        mine = app.app(spec, spec.deployment) if spec.deployment else {}
        if spec.instrumented:
            mine["servicemonitor"] = monitors.service_monitor(spec)
        found |= {f"{spec.service}/{name}.yaml": content for name, content in mine.items()}
    tiers = collector.collector(specs[0])
    tiers["podmonitor"] = monitors.collector_monitor(specs[0])
    return found | {f"collector/{name}.yaml": content for name, content in tiers.items()}


def _overlay(specs: Sequence[Spec], base: Mapping[str, Resource], templates: str) -> dict[str, str]:
    first, wanted = specs[0], _workloads(specs)
    added = {path: content for path, content in wanted.items() if path not in base}
    added["namespace.yaml"] = _namespace(monitors.namespace(specs))
    rules = monitors.prometheus_rules(specs)
    added |= {f"rules/{name}.yaml": content for name, content in rules.items()}
    files = {path: yaml_document(content) for path, content in added.items()}
    files["alertmanagerconfig.yaml"] = yaml_document(
        alertmanager_config(first, templates), *_secret_advice(first, monitors.namespace(specs))
    )
    boards = {PurePosixPath(path).name: text for path, text in dashboards(first).items()}
    files |= {f"dashboards/{name}": text for name, text in boards.items()}
    if first.kubernetes.grafana_operator:
        files["grafanadashboards.yaml"] = "---\n".join(
            yaml_document(_grafana_dashboard(name)) for name in boards
        )
    resources = [path for path in files if not path.startswith("dashboards/")]
    patches = []
    for path, content in sorted(base.items()):
        changed = patch(content, wanted.get(path))
        if changed is None or changed:
            patches.append(_patch(path, content, changed, files))
    files[FILE] = kustomization(
        namespace=monitors.namespace(specs),
        resources=["../../base", *sorted(resources)],
        configMapGenerator=[
            config_map(_dashboard_name(name), [f"dashboards/{name}"]) for name in boards
        ],
        # A dashboard's name stays: Grafana's operator refers to it, and no pod restarts with it.
        generatorOptions={
            "disableNameSuffixHash": True,
            "labels": {**MANAGED_BY, "grafana_dashboard": "1"},
            "annotations": {"grafana_folder": _FOLDER},
        },
        patches=patches,
    )
    return files


def _patch(
    path: str, base: Resource, changed: list[Resource] | None, files: dict[str, str]
) -> dict[str, object]:
    """Write a patch into ``files``; return its entry in the kustomization."""
    metadata: dict[str, Any] = base["metadata"]  # type: ignore[assignment]
    file = f"patches/{path}"
    if changed is None:
        content: Any = {key: base[key] for key in ("apiVersion", "kind")}
        content |= {"metadata": {"name": metadata["name"]}, "$patch": "delete"}
    else:
        content = changed
    files[file] = yaml_document(content)
    return {"path": file, "target": {"kind": base["kind"], "name": metadata["name"]}}


def _namespace(name: str) -> Resource:
    """Return the namespace, in which only pods without privileges may run."""
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    return resource("v1", "Namespace", name, levels)


def _grafana_dashboard(name: str) -> Resource:
    return resource(
        "grafana.integreatly.org/v1beta1",
        "GrafanaDashboard",
        _dashboard_name(name),
        {},
        spec={
            "allowCrossNamespaceImport": True,
            "instanceSelector": {"matchLabels": {"dashboards": "grafana"}},
            "folder": _FOLDER,
            "configMapRef": {"name": _dashboard_name(name), "key": name},
        },
    )


def _dashboard_name(file: str) -> str:
    return f"{_DASHBOARD}{PurePosixPath(file).stem}"


def _secret_advice(spec: Spec, namespace: str) -> list[str]:
    """Return comments that say how to create the Secret with what receivers need."""
    command = [f"kubectl --namespace {namespace} create secret generic {SECRET}"]
    command += [f"  --from-file={key}={file}" for key, file in secret_files(spec).items()]
    return ["The Secret that it refers to:", *" \\\n".join(command).split("\n")]


def _copied(text: str) -> str:
    return f"# {GENERATED}\n{text}"


def _check_sizes(files: Mapping[str, str]) -> None:
    for path, text in files.items():
        if (size := len(text.encode())) > _CONFIG_MAP_BYTES:
            raise TooLargeError(
                f"{path}: {size} bytes; a ConfigMap holds {_CONFIG_MAP_BYTES}. "
                "Split slo.yaml into one for each group of services"
            )
