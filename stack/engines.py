"""Single query engines on loopback, as programs: what tests and benchmarks compare."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stack.build import binary
from stack.processes import Program


def address(url: str) -> str:
    """Return a URL's host and port."""
    return url.removeprefix("http://")


def url_of(ports: Iterator[int]) -> str:
    """Return the URL of the next port."""
    return f"http://127.0.0.1:{next(ports)}"


def prometheus(folder: Path, url: str, *options: str, data: Path | None = None) -> Program:
    """Return a Prometheus with the configuration, the data and the log of a folder."""
    return Program(
        "prometheus",
        [
            binary("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={data or folder / 'data'}",
            f"--web.listen-address={address(url)}",
            *options,
        ],
        f"{url}/-/ready",
        folder / "prometheus.log",
    )


def thanos(
    name: str, role: str, folder: Path, http: str, grpc: str | None, *options: str
) -> Program:
    """Return a component of Thanos that listens at these URLs, with its log in a folder."""
    listens = [f"--grpc-address={address(grpc)}"] if grpc else []
    return Program(
        name,
        [binary("thanos"), role, f"--http-address={address(http)}", *listens, *options],
        f"{http}/-/ready",
        folder / f"{name}.log",
    )


def querier(folder: Path, url: str, ports: Iterator[int], *options: str) -> Program:
    """Return a Thanos querier that takes the samples of replicas once."""
    grpc = url_of(ports)
    return thanos("querier", "query", folder, url, grpc, "--query.replica-label=replica", *options)


def victoria_metrics(folder: Path, url: str, *options: str) -> Program:
    """Return a single-node VictoriaMetrics that shows the newest samples and caches nothing."""
    return Program(
        "victoria-metrics",
        [
            binary("victoria-metrics"),
            f"-storageDataPath={folder / 'victoria-metrics'}",
            f"-httpListenAddr={address(url)}",
            "-search.latencyOffset=0s",
            "-search.disableCache",
            *options,
        ],
        f"{url}/health",
        folder / "victoria-metrics.log",
    )
