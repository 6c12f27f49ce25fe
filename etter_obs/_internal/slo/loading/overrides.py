"""What the file says of one service in one environment: the base, and what is laid over it.

Three layers, in this order: the base, the service's, the environment's. In ``slos`` an entry that
says all an SLO needs puts it where it is missing; one that says less changes it, and one with
``remove: true`` takes it away, in those combinations that have it. Where none has, that is a slip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from etter_obs._internal.slo.loading.yaml_source import SourceNode, YamlError
from etter_obs._internal.slo.spec.models import Slo
from etter_obs._internal.text.near_miss import did_you_mean

NOT_FOR_SERVICES: Final = (
    *("version", "environment", "metric_prefix", "receivers", "teams", "links", "load_test"),
    "kubernetes",
)
"""What services share: one Alertmanager tells people, one set of dashboards asks for metrics."""
NOT_FOR_ENVIRONMENTS: Final = ("version", "service", "environment")
_NEEDED: Final = [name for name, field in Slo.model_fields.items() if field.is_required()]


@dataclass(frozen=True, slots=True)
class Layers:
    """The parts of a file: its base, and by name what services and environments lay over it."""

    base: SourceNode
    services: SourceNode
    environments: SourceNode
    base_slos: frozenset[str]
    """Names of the SLOs that a service's layer may change or take away."""
    service_slos: frozenset[str]
    """Those that an environment's layer may: also what only some services have."""

    def combinations(self, environment: str | None) -> Iterator[tuple[str, str]]:
        """Yield each (service, environment), those of ``environment`` (None: the base's) first."""
        environments = (environment or self.base.text("environment"), *self.environments.keys)
        for one in dict.fromkeys(environments):
            for service in (self.base.text("service"), *self.services.keys):
                yield service, one

    def resolve(self, service: str, environment: str) -> SourceNode:
        """Return what holds for one combination, as if the file had been written for it alone.

        Raises:
            YamlError: a layer takes away what no layer under it has.
        """
        tree = self.base
        for layer, known in (
            (self.services.get(service), self.base_slos),
            (self.environments.get(environment), self.service_slos),
        ):
            if layer is not None:
                tree = _laid(tree, layer, known)
        values = dict(_mapping(tree, "the file"))
        for key, name, layers in (
            ("service", service, self.services),
            ("environment", environment, self.environments),
        ):
            if key in values and name != self.base.text(key):
                line, column = layers.keys.get(name, (values[key].line, values[key].column))
                values[key] = SourceNode(name, line, column)
        return SourceNode(values, tree.line, tree.column, tree.keys)


def split(root: SourceNode) -> Layers:
    """Part a file into its layers.

    Raises:
        YamlError: a part is no mapping, or says what cannot differ there.
    """
    mapping = _mapping(root, "the file")
    values = {key: item for key, item in mapping.items() if key not in ("services", "environments")}
    base = SourceNode(values, root.line, root.column, root.keys)
    services = _layers(mapping.get("services"), "services", NOT_FOR_SERVICES)
    environments = _layers(mapping.get("environments"), "environments", NOT_FOR_ENVIRONMENTS)
    own = base.text("service")
    if own in services.keys:
        raise YamlError(*services.keys[own], f"{own!r} is already the file's own service")
    base_slos = frozenset(_names(base))
    service_slos = base_slos.union(*(_names(services.get(name)) for name in services.keys))
    return Layers(base, services, environments, base_slos, service_slos)


def _layers(node: SourceNode | None, what: str, refused: Sequence[str]) -> SourceNode:
    if node is None:
        return SourceNode({}, 1, 1)
    for name, layer in _mapping(node, what).items():
        if layer.value is None:
            layer.value = {}
        for key in _mapping(layer, f"{what}.{name}"):
            if key in refused:
                raise YamlError(
                    *layer.keys[key],
                    f"{key!r} cannot differ within {what}: a project has exactly one; "
                    "use a separate project for another",
                )
    return node


def _mapping(node: SourceNode, what: str) -> dict[str, SourceNode]:
    if not isinstance(node.value, dict):
        raise YamlError(node.line, node.column, f"{what} must be a mapping, `key: value` lines")
    return node.value


def _names(layer: SourceNode | None) -> set[str]:
    """Return the names of the SLOs that ``layer`` puts or changes."""
    slos = layer.get("slos") if layer else None
    entries = slos.value if slos and isinstance(slos.value, list) else []
    return {slo.text("name") for slo in entries if slo.get("remove") is None} - {""}


def _laid(tree: SourceNode, layer: SourceNode, known: Iterable[str]) -> SourceNode:
    result = _merged(tree, layer, whole=("load_test", "slos"))
    under, over = tree.get("slos"), layer.get("slos")
    if under and over and isinstance(result.value, dict):
        result.value["slos"] = _slos(under, over, set(known))
    return result


def _merged(base: SourceNode, layer: SourceNode, whole: Sequence[str] = ()) -> SourceNode:
    """Merge two mappings; what the layer has under a key in ``whole`` replaces, it does not mix."""
    if not isinstance(base.value, dict) or not isinstance(layer.value, dict):
        return layer
    values, keys = dict(base.value), {**base.keys, **layer.keys}
    for key, item in layer.value.items():
        mix = key in values and key not in whole
        values[key] = _merged(values[key], item) if mix else item
    return SourceNode(values, base.line, base.column, keys)


def _slos(base: SourceNode, layer: SourceNode, known: set[str]) -> SourceNode:
    """Lay SLOs over SLOs by name; ``known`` are the names that some combination has below."""
    if not isinstance(base.value, list) or not isinstance(layer.value, list):
        return layer
    slos = dict(enumerate(base.value))
    places = {slo.text("name"): index for index, slo in slos.items()}
    free, said = count(len(slos)), set[str]()
    for change in layer.value:
        name, remove = change.text("name"), change.get("remove")
        if name in said:
            message = f"an entry above already defines {name!r}"
            raise YamlError(change.line, change.column, message)
        if remove is None and name:
            said.add(name)
        if remove is not None:
            _check_removal(remove, name, known | set(places))
            known.discard(name)  # within this layer, what follows is a new one
            if name in places:
                del slos[places.pop(name)]
        elif name in places:
            slos[places[name]] = _merged(slos[places[name]], change, whole=("sli", "alerting"))
        elif name not in known or all(key in change.keys for key in _NEEDED):
            places[name] = next(free)
            slos[places[name]] = change
    place = base if slos else layer
    return SourceNode(list(slos.values()), place.line, place.column)


def _check_removal(remove: SourceNode, name: str, known: set[str]) -> None:
    if remove.value is not True:
        message = "remove: true removes an SLO; delete the key to keep it"
    elif name not in known:
        message = f"there is no SLO {name!r} to remove{did_you_mean(name, known)}"
    else:
        return
    raise YamlError(remove.line, remove.column, message)
