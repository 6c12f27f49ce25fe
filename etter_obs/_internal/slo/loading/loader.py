"""From the file to the spec: read, lay overrides over the base, validate, say where it is wrong.

A spec file holds one service and may name more, which differ from it only in what they say; it may
name environments, which do the same. Every combination is validated whenever the file is read, so
that a slip in staging's override is found on the day it is made.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from etter_obs._internal.slo.loading.overrides import split
from etter_obs._internal.slo.loading.validation import PromqlChecker, problems
from etter_obs._internal.slo.loading.yaml_source import SourceNode, YamlError, parse
from etter_obs._internal.slo.spec.fields import wrong_name
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.text.near_miss import did_you_mean

_MAX_BYTES: Final = 4_000_000
_MAX_SHOWN: Final = 20


class SpecError(ValueError):
    """A spec cannot be used. ``str()`` gives a line for each fault: ``file:line:column: what``."""


@dataclass(frozen=True, slots=True, order=True)
class _Fault:
    line: int
    column: int
    message: str


def load_spec(path: Path, environment: str | None = None, service: str | None = None) -> Spec:
    """Read the spec of one service (default: the file's own) in one environment (likewise).

    Args:
        path: of slo.yaml.
        environment: whose overrides apply; None: that of the file.
        service: its name; None: the first of the file.

    Raises:
        SpecError: the file cannot be read or says something that cannot be right.
    """
    specs = load_specs(path, environment)
    for spec in specs:
        if service is None or spec.service == service:
            return spec
    known = [spec.service for spec in specs]
    raise SpecError(
        f"{path}: no service {service!r}{did_you_mean(str(service), known)}; it has {known}"
    )


def load_specs(
    path: Path, environment: str | None = None, check_promql: PromqlChecker | None = None
) -> tuple[Spec, ...]:
    """Read the specs of every service in the file, its own first, in one environment.

    Args:
        path: the file.
        environment: one that the file does not name has the base.
        check_promql: yields what else is wrong with a spec whose fields are right.

    Raises:
        SpecError: the file cannot be read or says something that cannot be right.
    """
    return _specs(_read(path), str(path), environment, check_promql)


def load_environments(
    path: Path, check_promql: PromqlChecker | None = None
) -> dict[str, tuple[Spec, ...]]:
    """Read the specs of every environment that the file names, its own first.

    Args:
        path: the file.
        check_promql: yields what else is wrong with a spec whose fields are right.

    Raises:
        SpecError: the file cannot be read or says something that cannot be right.
    """
    return _by_environment(_read(path), str(path), None, check_promql)


def parse_specs(text: str, name: str, environment: str | None = None) -> tuple[Spec, ...]:
    """Like ``load_specs``, from text; messages call the file ``name``.

    Args:
        text: content of slo.yaml.
        name: of the file, for messages.
        environment: whose overrides apply; None: that of the file.

    Raises:
        SpecError: the text says something that cannot be right.
    """
    return _specs(text, name, environment)


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SpecError(f"{path}: no such file; run `etter-obs init` to create it") from None
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > _MAX_BYTES:
        raise SpecError(f"{path}: larger than {_MAX_BYTES} bytes, the limit for a spec")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpecError(f"{path}:{line}:1: not UTF-8 text") from None


def _specs(
    text: str, name: str, environment: str | None, check_promql: PromqlChecker | None = None
) -> tuple[Spec, ...]:
    return next(iter(_by_environment(text, name, environment, check_promql).values()))


def _by_environment(
    text: str, name: str, environment: str | None, check_promql: PromqlChecker | None
) -> dict[str, tuple[Spec, ...]]:
    """Return the specs of each environment, those of ``environment`` (None: the file's) first."""
    if environment:
        _check_asked(environment, name)
    try:
        root = parse(text)
    except YamlError as error:
        raise SpecError(f"{name}:{error.line}:{error.column}: {error.message}") from None
    faults: list[_Fault] = []
    specs: dict[str, list[Spec]] = {}
    try:
        layers = split(root)
        for service, env in layers.combinations(environment):
            spec, found = _validate(layers.resolve(service, env), check_promql)
            faults += found
            if spec is not None:
                specs.setdefault(env, []).append(spec)
    except YamlError as error:
        faults.append(_Fault(error.line, error.column, error.message))
    if faults:
        lines = [f"{name}:{f.line}:{f.column}: {f.message}" for f in sorted(set(faults))]
        more = len(lines) - _MAX_SHOWN
        raise SpecError(
            "\n".join(lines[:_MAX_SHOWN] + ([f"… and {more} more"] if more > 0 else []))
        )
    return {
        env: tuple(found) if len(found) == 1 else tuple(spec.among_others() for spec in found)
        for env, found in specs.items()
    }


def _check_asked(environment: str, name: str) -> None:
    """Refuse a wrong name of an environment, which is in no line of the file."""
    if why := wrong_name(environment):
        raise SpecError(f"{name}: the requested environment: {why}")


# -- validation and its messages ------------------------------------------------------------------


def _validate(
    tree: SourceNode, check_promql: PromqlChecker | None
) -> tuple[Spec | None, list[_Fault]]:
    try:
        spec = Spec.model_validate(tree.plain())
    except ValidationError as error:
        return None, [
            _place(tree, tuple(e["loc"]), _message(e, tree), on_key=e["type"] == "extra_forbidden")
            for e in error.errors(include_url=False)
        ]
    wrong = list(problems(spec)) or list(check_promql(spec) if check_promql else ())
    found = [_place(tree, path, message) for path, message in wrong]
    return (None if found else spec), found


def _place(
    tree: SourceNode, path: tuple[str | int, ...], message: str, on_key: bool = False
) -> _Fault:
    """Return the place of ``path``, or of its nearest parent that is in the file."""
    node = tree
    for depth, part in enumerate(path):
        child: SourceNode | None = None
        if isinstance(node.value, dict) and isinstance(part, str):
            child = node.value.get(part)
            if child is not None and part in node.keys and (on_key and depth == len(path) - 1):
                line, column = node.keys[part]
                return _Fault(line, column, message)
        elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
            child = node.value[part]
        if child is None:
            break
        node = child
    return _Fault(node.line, node.column, message)


_TYPES: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def _message(error: Any, tree: SourceNode) -> str:
    kind, path = error["type"], tuple(error["loc"])
    name = _named(path, tree)
    if kind == "value_error":
        return f"{name}: {error['ctx']['error']}"
    if kind == "extra_forbidden":
        known = _keys_at(path[:-1])
        hint = did_you_mean(str(path[-1]), known) or f"; known here: {', '.join(known)}"
        return f"unknown key {str(path[-1])!r}{hint}"
    if kind == "missing":
        where = f" in {_named(path[:-1], tree)}" if len(path) > 1 else ""
        return f"{str(path[-1])!r} is missing{where}{_base_hint(path, tree)}"
    if kind == "literal_error":
        expected = error["ctx"]["expected"].replace("'", "")
        return f"{name}: {error['input']!r} is not one of {expected}"
    if kind in _TYPES:
        held = "nothing" if error["input"] is None else repr(error["input"])
        return f"{name}: expected {_TYPES[kind]}, found {held[:80]}"
    return f"{name}: {error['msg'][0].lower()}{error['msg'][1:]}"


def _named(path: tuple[str | int, ...], tree: SourceNode) -> str:
    """Write a path as people would: an SLO by its name, other places in a list by number."""
    names = _slo_names(tree)
    return ".".join(
        names[part] or f"#{part + 1}"
        if before == "slos" and isinstance(part, int) and part < len(names)
        else str(part)
        for before, part in zip((None, *path), path, strict=False)
    )


def _slo_names(tree: SourceNode) -> list[str]:
    slos = tree.get("slos")
    return [slo.text("name") for slo in slos.value] if slos and isinstance(slos.value, list) else []


def _base_hint(path: tuple[str | int, ...], tree: SourceNode) -> str:
    """For an SLO without a description: it may be an override whose name is misspelt."""
    if len(path) != 3 or path[0] != "slos" or path[2] != "description":
        return ""
    names = _slo_names(tree)
    own = names[path[1]] if isinstance(path[1], int) else ""
    return did_you_mean(own, [name for name in names if name != own]) if own else ""


def _keys_at(path: tuple[str | int, ...]) -> list[str]:
    """Return the keys that the model at ``path`` takes."""
    model: type[BaseModel] | None = Spec
    for part in path:
        if model is None:
            return []
        if isinstance(part, str) and part in model.model_fields:
            model = next(_models(model.model_fields[part].annotation), None)
    keys = [field.alias or name for name, field in model.model_fields.items()] if model else []
    return [*keys, "services", "environments"] if model is Spec else keys


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the models named in a type such as ``tuple[Slo, ...]`` or ``Receiver | None``."""
    arguments = typing.get_args(annotation)
    if not arguments and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in arguments:
        yield from _models(part)
