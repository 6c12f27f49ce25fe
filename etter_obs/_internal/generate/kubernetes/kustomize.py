"""Kustomize: the files of a base and its overlays, and what an overlay changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from etter_obs._internal.generate.kubernetes.resources import Resource
from etter_obs._internal.text.yaml import yaml_document

FILE: Final = "kustomization.yaml"
_NONE: Final = object()


def kustomization(**content: object) -> str:
    """Return a kustomization; empty parts are skipped."""
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return yaml_document(head | {key: value for key, value in content.items() if value})


def config_map(name: str, files: Sequence[str]) -> Resource:
    """Return the entry of a ConfigMap made from files; each key is the file's name.

    Kustomize appends a hash of the content to the name, unless ``generatorOptions`` say otherwise.
    """
    return {"name": name, "files": list(files)}


def patch(base: Resource, wanted: Resource | None) -> list[Resource] | None:
    """Return the JSON patch (RFC 6902) from a resource of the base to an environment's.

    None: the environment lacks the resource.
    """
    return None if wanted is None else list(_differences(base, wanted, ""))


def _differences(base: object, wanted: object, path: str) -> Iterator[Resource]:
    if isinstance(base, dict) and isinstance(wanted, dict):
        for key in [*base, *(key for key in wanted if key not in base)]:
            place = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
            yield from _difference(base.get(key, _NONE), wanted.get(key, _NONE), place)
    elif isinstance(base, list) and isinstance(wanted, list) and len(base) == len(wanted):
        for index, pair in enumerate(zip(base, wanted, strict=True)):
            yield from _difference(*pair, f"{path}/{index}")
    elif base != wanted:
        yield {"op": "replace", "path": path, "value": wanted}


def _difference(base: object, wanted: object, path: str) -> Iterator[Resource]:
    if wanted is _NONE:
        yield {"op": "remove", "path": path}
    elif base is _NONE:
        yield {"op": "add", "path": path, "value": wanted}
    else:
        yield from _differences(base, wanted, path)
