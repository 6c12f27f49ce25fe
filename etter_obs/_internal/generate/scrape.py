"""The scrape job of a service, with limits above what its series caps allow it to expose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from etter_obs._internal import conventions
from etter_obs._internal.conventions import Label, Metric, MetricKind
from etter_obs._internal.slo.spec.buckets import buckets
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.text.yaml import yaml_document

JOBS: Final = "prometheus/scrape"
TARGETS: Final = "prometheus/targets"
SERIES_CAP: Final = 1_000
"""Label sets that a metric may hold: the default of ETTER_OBS_METRICS_SERIES_CAP."""
_BYTES_PER_SAMPLE: Final = 300
"""A line of OpenMetrics with its labels, and here and there an exemplar."""
APP: Final = "host.docker.internal:8000"
"""An app on the Docker host, as a container reaches it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What Prometheus refuses of a scrape; a scrape over a limit is lost whole."""

    samples: int
    body_size: str
    labels: int = 16
    label_name_length: int = 64
    label_value_length: int = 512


def starter(address: str) -> str:
    """Return what a service's targets file begins with; ``address`` is host:port."""
    what = "; the default is an app on the Docker host" if address == APP else ""
    return (
        f"# Addresses at which Prometheus scrapes the service, host:port each{what}.\n"
        "# Edit this file freely; Prometheus rereads it at once.\n"
        f'- targets: ["{address}"]\n'
    )


def path(spec: Spec) -> str:
    """Return the file of the service's scrape job."""
    return f"{JOBS}/{spec.service}.yml"


def targets_path(spec: Spec) -> str:
    """Return the file that holds the service's addresses; kept by hand."""
    return f"{TARGETS}/{spec.service}.yml"


def scrape(spec: Spec) -> dict[str, str]:
    """Return the scrape file; it names the file of the addresses and no address."""
    if not spec.instrumented:
        return {}
    most = limits(spec)
    job: dict[str, object] = {
        "job_name": spec.service,
        "sample_limit": most.samples,
        "label_limit": most.labels,
        "label_name_length_limit": most.label_name_length,
        "label_value_length_limit": most.label_value_length,
        "body_size_limit": most.body_size,
        **_authorization(spec),
        "file_sd_configs": [{"files": [f"../targets/{spec.service}.yml"]}],
        "relabel_configs": [{"target_label": Label.ENVIRONMENT, "replacement": spec.environment}],
    }
    return {path(spec): yaml_document({"scrape_configs": [job]})}


def starters(spec: Spec) -> dict[str, str]:
    """Return files that are written once, where they are missing, and then belong to the user."""
    return {targets_path(spec): starter(APP)} if spec.instrumented else {}


def _authorization(spec: Spec) -> dict[str, object]:
    """Name the token's file as the job's file sees it, two folders below the project's."""
    if spec.metrics_token_file is None:  # a file that is named and missing fails every scrape
        return {}
    token = PurePosixPath("../..", spec.metrics_token_file)
    return {"authorization": {"credentials_file": str(token)}}


def limits(spec: Spec) -> Limits:
    """Return the limits of the service's scrape job."""
    samples = sample_limit(spec)
    return Limits(samples, f"{-(-samples * _BYTES_PER_SAMPLE // 1_000_000)}MB")


def sample_limit(spec: Spec) -> int:
    """Return twice the samples that all metrics at their caps expose, to two digits upwards.

    Twice, because a scrape over the limit is lost whole: it must never hit a service that keeps
    within its own caps.
    """
    total = 2 * sum(_samples(spec, metric) for metric in conventions.METRICS)
    step = int(f"1{'0' * (len(str(total)) - 2)}")
    return -(-total // step) * step


def _samples(spec: Spec, metric: Metric) -> int:
    label_sets = SERIES_CAP + 1 if metric.labels else 1  # and the overflow
    if metric.kind is MetricKind.HISTOGRAM:
        return label_sets * (len(buckets(spec, metric)) + 4)  # +Inf, count, sum, created
    return label_sets * 2  # a counter has its created sample
