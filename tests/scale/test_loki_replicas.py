"""Three Lokis on one bucket, as docker-compose.scale.yml runs them: one is killed under load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from stack.build import binary
from stack.layout import CHECKOUT, free_ports
from stack.processes import Program, running
from tests.waiting import eventually

pytestmark = [pytest.mark.scale, pytest.mark.e2e]

_S3_SERVER = "moto[server]==5.2.5"  # an S3 API in memory, which takes any credentials
_BUCKET = "lines"
_REPLICAS = 3


@contextmanager
def bucket(folder: Path, port: int) -> Iterator[str]:
    """Run an S3 server with an empty bucket; the block gets its address."""
    url = f"http://127.0.0.1:{port}"
    uv = Path(sys.executable).with_name("uv")
    command: list[str | Path] = [
        uv,
        "tool",
        "run",
        "--from",
        _S3_SERVER,
        "moto_server",
        f"--port={port}",
    ]
    with running(Program("s3", command, f"{url}/moto-api/", folder / "s3.log")):
        assert httpx.put(f"{url}/{_BUCKET}").is_success
        yield url


def environment(service: str) -> dict[str, str]:
    """Return a service's environment as Docker Compose reads it from both files."""
    files = ("-f", "docker-compose.yml", "-f", "docker-compose.scale.yml")
    done = subprocess.run(
        [binary("docker-compose"), *files, "config", "--format", "json"],
        cwd=CHECKOUT,
        env=os.environ | {"LOKI_S3_BUCKET": _BUCKET, "TEMPO_S3_BUCKET": "traces"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout)["services"][service]["environment"]
    return found


@contextmanager
def lokis(folder: Path) -> Iterator[tuple[str, list[Program], list[str]]]:
    """Run the S3 server and the Lokis; the block gets its address, the programs, and theirs."""
    free = free_ports()
    rings = [next(free) for _ in range(_REPLICAS)]
    shipped = environment("loki-2")
    with ExitStack() as parts:
        s3 = parts.enter_context(bucket(folder, next(free)))
        programs, urls = [], []
        for number, ring_port in enumerate(rings):
            http = next(free)
            urls.append(f"http://127.0.0.1:{http}")
            here = {
                "LOKI_HTTP_HOST": "127.0.0.1",
                "LOKI_GRPC_HOST": "127.0.0.1",
                "LOKI_ADDRESS": "127.0.0.1",
                "LOKI_HTTP_PORT": str(http),
                "LOKI_GRPC_PORT": str(next(free)),
                "LOKI_RING_PORT": str(ring_port),
                "LOKI_DATA_DIR": str(folder / f"loki-{number}"),
                "LOKI_PEERS": str([f"127.0.0.1:{each}" for each in rings]),
                "LOKI_S3_BUCKET": _BUCKET,
                "LOKI_S3_REGION": "us-east-1",
                "LOKI_S3_ENDPOINT": s3,
                "LOKI_S3_PATH_STYLE": "true",
                "AWS_ACCESS_KEY_ID": "any",
                "AWS_SECRET_ACCESS_KEY": "any",
            }
            assert shipped.keys() <= here.keys() | {"LOKI_RING", "LOKI_REPLICATION", "LOKI_STORE"}
            config = f"-config.file={CHECKOUT / 'loki/config.yaml'}"
            command: list[str | Path] = [
                *(binary("loki"), config, "-config.expand-env=true"),
                # Three containers have names and addresses of their own; here they share them.
                f"-common.storage.ring.instance-id=loki-{number}",
                "-memberlist.advertise-addr=127.0.0.1",
                f"-memberlist.advertise-port={ring_port}",
                f"-memberlist.nodename=loki-{number}",
            ]
            log = folder / f"loki-{number}.log"
            programs.append(Program("loki", command, f"{urls[-1]}/ready", log, shipped | here))
        parts.enter_context(running(*programs))
        yield s3, programs, urls


def send(url: str, line: str) -> None:
    """Send one line by OTLP, as the collector does."""
    record = {"timeUnixNano": str(time.time_ns()), "body": {"stringValue": line}}
    service = {"key": "service.name", "value": {"stringValue": "etter"}}
    body = {
        "resourceLogs": [
            {"resource": {"attributes": [service]}, "scopeLogs": [{"logRecords": [record]}]}
        ]
    }
    answer = httpx.post(f"{url}/otlp/v1/logs", json=body, timeout=20)
    assert answer.is_success, answer.text


def stored(url: str) -> Counter[str]:
    """Return the lines that a query to one replica finds, and how often."""
    query = {"query": '{service_name="etter"}', "limit": "5000", "since": "1h"}
    answer = httpx.get(f"{url}/loki/api/v1/query_range", params=query, timeout=30)
    assert answer.is_success, answer.text
    streams = answer.json()["data"]["result"]
    return Counter(line for stream in streams for _, line, *_ in stream["values"])


@pytest.mark.timeout(300)
def test_no_line_is_lost_when_one_of_three_is_killed(tmp_path: Path) -> None:
    """Each line is found once on both survivors, and after a flush the bucket has chunks."""
    with lokis(tmp_path) as (s3, programs, urls):
        eventually(
            lambda: all(map(ring_is_whole, urls)),
            deadline_s=60,
            every_s=1,
            tell=lambda: ring(urls[0]),
        )
        before = [f"before {number}" for number in range(60)]
        for number, line in enumerate(before):
            send(urls[number % _REPLICAS], line)
        programs[-1].kill()
        after = [f"after {number}" for number in range(60)]
        for number, line in enumerate(after):
            send(urls[number % (_REPLICAS - 1)], line)
        survivors, wanted = urls[:-1], Counter(before + after)
        eventually(
            lambda: all(stored(url) == wanted for url in survivors),
            deadline_s=30,
            tell=lambda: [wanted - stored(url) for url in survivors],
        )
        for url in survivors:
            assert httpx.post(f"{url}/flush", timeout=30).is_success
        eventually(lambda: "<Contents>" in httpx.get(f"{s3}/{_BUCKET}").text, deadline_s=30)


def ring(url: str) -> str:
    """Return what a replica knows of the ingesters."""
    return httpx.get(f"{url}/ring", headers={"Accept": "application/json"}, timeout=10).text


def ring_is_whole(url: str) -> bool:
    """Return whether a replica sees every ingester as active."""
    return ring(url).count("ACTIVE") == _REPLICAS
