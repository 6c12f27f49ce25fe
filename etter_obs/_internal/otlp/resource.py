"""Who sends: the resource of every span and log line of this process."""

from __future__ import annotations

import os
import uuid
from typing import Final

from opentelemetry.sdk.resources import Resource

INSTANCE_ID: Final = "service.instance.id"
_instance: str | None = None
_made: Final[set[str]] = set()
"""Ids of this process and of those that it was forked from."""


def resource_of(service: str, environment: str, version: str | None) -> Resource:
    """Return the resource; what OTEL_RESOURCE_ATTRIBUTES adds is in it.

    ``service.instance.id`` is that of the process which calls this; see :func:`instance_id`.
    """
    attributes = {"service.name": service, "deployment.environment.name": environment}
    if version is not None:
        attributes["service.version"] = version
    known = Resource.create(attributes)
    if INSTANCE_ID in known.attributes:
        return known
    return known.merge(Resource({INSTANCE_ID: instance_id()}))


def id_now(known: str) -> str:
    """Return the ``service.instance.id`` to send for the one of a resource.

    The resource may have been made by the process that forked this one; the id is this one's then.
    What OTEL_RESOURCE_ATTRIBUTES says stays.
    """
    return instance_id() if known in _made else known


def instance_id() -> str:
    """Return the id of this process: the same for all signals, another one in a forked child."""
    global _instance  # one value for the process
    if _instance is None:
        _instance = str(uuid.uuid4())
        _made.add(_instance)
    return _instance


def _forget() -> None:
    global _instance
    _instance = None


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_forget)
