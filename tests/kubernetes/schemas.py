"""What the API server accepts of each kind, as JSON Schema without a word of prose.

``python -m tests.kubernetes.schemas`` writes ``schemas.json`` again, from the OpenAPI documents of
the Kubernetes module and the CRDs that the operator prints, at the versions of the stack.
An API server checks more (admission, defaults, ownership of fields); this check needs no build.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft4Validator

from stack.build import binary
from stack.toolchain import go_command, go_environment
from stack.versions import BUILDS

_FILE: Final = Path(__file__).with_name("schemas.json")
_GRAFANA: Final = Path(__file__).with_name("crds") / "grafanadashboards.yaml"
_MODULE: Final = "k8s.io/kubernetes"
_KINDS: Final = {
    "v1": ("Namespace", "Service", "ServiceAccount"),
    "apps/v1": ("DaemonSet", "Deployment", "StatefulSet"),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "networking.k8s.io/v1": ("NetworkPolicy",),
    "policy/v1": ("PodDisruptionBudget",),
}
_CUSTOM: Final = ("AlertmanagerConfig", "PodMonitor", "PrometheusRule", "ServiceMonitor")
_KEPT: Final = frozenset(
    (
        *("$ref", "additionalProperties", "allOf", "anyOf", "enum", "items", "maxItems"),
        *("maxLength", "maximum", "minItems", "minLength", "minimum", "not", "oneOf", "pattern"),
        *("properties", "required", "type"),
        *("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"),
    )
)
_ANY: Final = ("IntOrString", "Quantity")
"""Definitions that say `string` of what may be a number too."""


def faults(resource: dict[str, Any]) -> list[str]:
    """Return what is wrong with a resource: the place and the reason of each fault."""
    schemas = _read()
    kind = f"{resource['apiVersion']}/{resource['kind']}"
    if kind not in schemas["kinds"]:
        return [f"{kind}: a kind without a schema"]
    schema = {**schemas["kinds"][kind], "components": {"schemas": schemas["definitions"]}}
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in Draft4Validator(schema).iter_errors(resource)
    ]


class _Loader(yaml.SafeLoader):
    """Reads a plain ``=`` as text, as the CRDs mean it."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda _, node: node.value)


@cache
def _read() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    custom = yaml.safe_load(_GRAFANA.read_text(encoding="utf-8"))
    read["kinds"] |= dict(_custom([custom]))
    return read


def _custom(definitions: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the kind and the schema of each version of the CRDs."""
    for definition in definitions:
        spec = definition["spec"]
        for version in spec["versions"]:
            schema = _strict(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            yield f"{spec['group']}/{version['name']}/{spec['names']['kind']}", schema


def _strict(schema: Any, *, are_names: bool = False) -> Any:
    """Return a schema that refuses unknown fields, as server-side apply does, without its prose."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: _strict(value, are_names=key == "properties" and not are_names)
        for key, value in schema.items()
        if are_names or key in _KEPT
    }
    if are_names:
        return kept
    if kept.pop("x-kubernetes-int-or-string", False):
        kept.pop("type", None)
    if "properties" in kept and not kept.pop("x-kubernetes-preserve-unknown-fields", False):
        kept.setdefault("additionalProperties", False)
    return kept


def _published() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield kind, definition's name and all definitions of the Kubernetes module's documents."""
    version = next(build.module_version for build in BUILDS if build.name == "kubernetes")
    done = subprocess.run(
        [go_command(), "mod", "download", "-json", f"{_MODULE}@{version}"],
        env={**go_environment(), "GOFLAGS": "-mod=mod", "PWD": os.sep},
        cwd=os.sep,
        capture_output=True,
        text=True,
        check=True,
    )
    folder = Path(json.loads(done.stdout)["Dir"]) / "api/openapi-spec/v3"
    for api, kinds in _KINDS.items():
        name = "api__v1" if api == "v1" else f"apis__{api.replace('/', '__')}"
        document = json.loads((folder / f"{name}_openapi.json").read_text(encoding="utf-8"))
        definitions = document["components"]["schemas"]
        for kind in kinds:
            (found,) = (
                one
                for one, schema in definitions.items()
                if any(
                    (each["kind"], "/".join(filter(None, (each["group"], each["version"]))))
                    == (kind, api)
                    for each in schema.get("x-kubernetes-group-version-kind", ())
                )
            )
            yield f"{api}/{kind}", found, definitions


def _referred(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict) and "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2]
    if isinstance(schema, dict | list):
        for item in schema.values() if isinstance(schema, dict) else schema:
            yield from _referred(item)


def _write() -> None:
    kinds: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for kind, name, published in _published():
        kinds[kind] = {"$ref": f"#/components/schemas/{name}"}
        missing = [name]
        while missing:
            one = missing.pop()
            if one not in definitions:
                any_scalar = one.endswith(_ANY)
                definitions[one] = {} if any_scalar else _strict(published[one])
                missing += _referred(definitions[one])
    printed = subprocess.run([binary("operator"), "crds"], capture_output=True, check=True).stdout
    custom = [
        crd
        for document in yaml.load_all(printed, _Loader)
        for crd in (document if isinstance(document, list) else [document])
        if crd and crd["spec"]["names"]["kind"] in _CUSTOM
    ]
    kinds |= dict(_custom(custom))
    lines = [
        json.dumps("Written by `python -m tests.kubernetes.schemas`. Do not change it by hand."),
        *(_line(part) for part in (kinds, definitions)),
    ]
    _FILE.write_text(
        f'{{"$comment": {lines[0]},\n"kinds": {lines[1]},\n"definitions": {lines[2]}}}\n',
        encoding="utf-8",
    )


def _line(part: dict[str, Any]) -> str:
    """Write a mapping with one line for each key, so that a new version shows what it changes."""
    entries = (
        f"{json.dumps(key)}: {json.dumps(value, sort_keys=True)}"
        for key, value in sorted(part.items())
    )
    return "{\n" + ",\n".join(entries) + "\n}"


if __name__ == "__main__":
    _write()
