"""The resource of every span and log line of this process."""

from __future__ import annotations

import os
import uuid
from typing import Final

from opentelemetry.sdk.resources import Resource

INSTANCE_ID: Final = "service.instance.id"
_instance: str | None = None
_made: Final[set[str]] = set()
"""Ids of this process and of the processes that it was forked from."""


def resource_of(service: str, environment: str, version: str | None) -> Resource:
    """Return the resource, including the attributes of OTEL_RESOURCE_ATTRIBUTES.

    ``service.instance.id`` is the id of the calling process; see ``instance_id()``.

    Args:
        service: ``service.name``.
        environment: ``deployment.environment.name``.
        version: ``service.version``; None omits it.

    Returns:
        The resource.
    """
    attributes = {"service.name": service, "deployment.environment.name": environment}
    if version is not None:
        attributes["service.version"] = version
    known = Resource.create(attributes)
    if INSTANCE_ID in known.attributes:
        return known
    return known.merge(Resource({INSTANCE_ID: instance_id()}))


def id_now(known: str) -> str:
    """Return the ``service.instance.id`` to send for a resource with the id ``known``.

    If a parent process created the resource before a fork, the result is this process's id. An id
    from OTEL_RESOURCE_ATTRIBUTES stays.
    """
    return instance_id() if known in _made else known


def instance_id() -> str:
    """Return the id of this process: equal for all signals, different in a forked child."""
    global _instance  # one value per process
    if _instance is None:
        _instance = str(uuid.uuid4())
        _made.add(_instance)
    return _instance


def _forget() -> None:
    global _instance
    _instance = None


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget)
