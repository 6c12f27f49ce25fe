"""Alertmanager's routing as the operator's AlertmanagerConfig, from the same configuration.

An AlertmanagerConfig names secrets by Secret and key, writes names in camel case, and cannot bring
template files, so each text carries the templates that it uses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from etter_obs._internal.generate.kubernetes.resources import Resource, resource
from etter_obs._internal.slo.alerts import alertmanager
from etter_obs._internal.slo.spec.models import Spec

SECRET: Final = "etter-obs-receivers"  # noqa: S105 - the name of a Secret
_NAME: Final = "etter-obs"
_FILES: Final = {
    "api_url_file": "apiURL",
    "auth_password_file": "authPassword",
    "routing_key_file": "routingKey",
    "url_file": "urlSecret",
    "webhook_url_file": "webhookURL",
}
"""Keys that name a file with a secret, and those that name a Secret."""
_PAIRS: Final = frozenset(("headers", "details"))
"""Mappings that the resource writes as lists of key and value."""
_LISTS: Final = {"links": "pagerDutyLinkConfigs", "msteamsv2_configs": "msteamsv2Configs"}
_MATCHER: Final = re.compile(r'^(?P<name>\w+)(?P<type>=~|!~|!=|=)"(?P<value>.*)"$')
_USED: Final = re.compile(r'\{\{-?\s*template\s+"([^"]+)"')
_DEFINED: Final = re.compile(r'\{\{-?\s*define\s+"([^"]+)"')
_COMMENT: Final = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.DOTALL)


class MissingTemplateError(ValueError):
    """A notification uses a template that no file of alerts/templates defines."""


def alertmanager_config(spec: Spec, templates: str) -> Resource:
    """Return the routing, inhibitions and receivers of Alertmanager.

    Args:
        spec: the first of the services, which share the receivers.
        templates: the texts of alerts/templates, one after the other.

    Raises:
        MissingTemplateError: see there.
    """
    config = alertmanager.configuration(spec)
    defined = _definitions(templates)
    return resource(
        "monitoring.coreos.com/v1alpha1",
        "AlertmanagerConfig",
        _NAME,
        spec.kubernetes.labels,
        spec={
            "route": _route(config["route"]),
            "inhibitRules": [
                {
                    "sourceMatch": _matchers(rule["source_matchers"]),
                    "targetMatch": _matchers(rule["target_matchers"]),
                    "equal": rule["equal"],
                }
                for rule in config["inhibit_rules"]
            ],
            "receivers": [_receiver(receiver, defined) for receiver in config["receivers"]],
        },
    )


def secret_files(spec: Spec) -> dict[str, str]:
    """Return the keys of the Secret, each with the project's file that holds its value."""
    found: dict[str, str] = {}
    _collect(alertmanager.configuration(spec)["receivers"], found)
    return dict(sorted(found.items()))


def _collect(value: Any, found: dict[str, str]) -> None:
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, dict | list):
            _collect(item, found)
    if isinstance(value, dict):
        found.update({_key(value[name]): value[name] for name in _FILES if name in value})


def _key(file: str) -> str:
    """Return the key for a secret's file: its path, with dots, as keys have no slash."""
    return file.strip("/").removeprefix("secrets/").replace("/", ".")


def _route(route: Mapping[str, Any]) -> Resource:
    written = {_camel(name): value for name, value in route.items() if value != []}
    if "matchers" in written:
        written["matchers"] = _matchers(written["matchers"])
    if "routes" in written:
        written["routes"] = [_route(child) for child in written["routes"]]
    return written


def _matchers(matchers: Sequence[str]) -> list[Resource]:
    found = (_MATCHER.match(matcher) for matcher in matchers)
    return [
        {"name": match["name"], "matchType": match["type"], "value": match["value"]}
        for match in found
        if match
    ]


def _receiver(receiver: Mapping[str, Any], defined: Mapping[str, str]) -> Resource:
    return {
        (_LISTS.get(key) or _camel(key)): (
            [_integration(one, defined) for one in value] if isinstance(value, list) else value
        )
        for key, value in receiver.items()
    }


def _integration(values: Mapping[str, Any], defined: Mapping[str, str]) -> Resource:
    written: Resource = {}
    for key, value in values.items():
        if key in _FILES:
            written[_FILES[key]] = {"name": SECRET, "key": _key(value)}
        elif key in _PAIRS:
            written[key] = [
                {"key": name, "value": _complete(text, defined)} for name, text in value.items()
            ]
        elif key == "links":
            written[_LISTS[key]] = [
                {"alt": link["text"], "href": _complete(link["href"], defined)} for link in value
            ]
        elif isinstance(value, list):
            written[_camel(key)] = [_integration(item, defined) for item in value]
        else:
            written[_camel(key)] = _complete(value, defined) if isinstance(value, str) else value
    return written


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _definitions(templates: str) -> dict[str, str]:
    """Return each template's text by its name; what follows it up to the next is its own."""
    text = _COMMENT.sub("", templates)
    starts = [*_DEFINED.finditer(text)]
    ends = [*(match.start() for match in starts[1:]), len(text)]
    return {
        match[1]: text[match.start() : end].rstrip()
        for match, end in zip(starts, ends, strict=True)
    }


def _complete(text: str, defined: Mapping[str, str]) -> str:
    """Return ``text`` behind the definition of every template that it needs."""
    needed: dict[str, str] = {}
    missing = _USED.findall(text)
    while missing:
        name = missing.pop()
        if name not in defined:
            raise MissingTemplateError(
                f"alerts/templates: no file defines {name!r}, which notifications use; "
                "`etter-obs init --force` writes the shipped templates again"
            )
        if name not in needed:
            needed[name] = defined[name]
            missing += _USED.findall(defined[name])
    return "".join(definition for _, definition in sorted(needed.items())) + text
