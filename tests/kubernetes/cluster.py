"""A Kubernetes control plane on loopback: etcd, kube-apiserver, kubectl, the Prometheus Operator.

Nothing schedules pods here. The API server judges manifests, and the operator turns its resources
into configuration, which is all that the manifests need to prove.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

from demo.processes import child, tail
from stack.build import binary
from tests.services import free_port
from tests.waiting import eventually

_STARTS_WITHIN = 180


@dataclass(frozen=True)
class Cluster:
    """A running control plane, and how to speak with it."""

    folder: Path
    server: str

    def kubectl(self, *arguments: str, stdin: str | None = None, succeed: bool = True) -> str:
        """Run kubectl; return its output, both streams together."""
        done = subprocess.run(
            [
                *(binary("kubectl"), f"--server={self.server}"),
                *(f"--{option}" for option in _credentials(self.folder)),
                *arguments,
            ],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        assert not (succeed and done.returncode), done.stdout
        return done.stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return what ``kubectl get`` finds."""
        found: dict[str, Any] = json.loads(self.kubectl("get", "--output=json", *arguments))
        return found

    @contextmanager
    def operator(self) -> Iterator[None]:
        """Run the Prometheus Operator within the block."""
        command = [
            *(str(binary("operator")), f"--apiserver={self.server}"),
            f"--ca-file={self.folder / 'ca.pem'}",
            f"--cert-file={self.folder / 'admin.pem'}",
            f"--key-file={self.folder / 'admin.key'}",
            f"--web.listen-address=127.0.0.1:{free_port()}",
        ]
        with child("operator", command, log_dir=self.folder):
            yield


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Run etcd and kube-apiserver with the operator's CRDs; everything they write is in folder."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    served = authority.issue_cert("127.0.0.1", "localhost")
    admin = authority.issue_cert("admin", common_name="admin", organization_name="system:masters")
    for name, issued in (("server", served), ("admin", admin)):
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
    store, peers, port = (free_port() for _ in range(3))
    etcd = [
        *(str(binary("etcd")), f"--data-dir={folder / 'etcd'}", "--unsafe-no-fsync"),
        f"--listen-client-urls=http://127.0.0.1:{store}",
        f"--advertise-client-urls=http://127.0.0.1:{store}",
        f"--listen-peer-urls=http://127.0.0.1:{peers}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
        f"--initial-cluster=default=http://127.0.0.1:{peers}",
    ]
    key = folder / "server.key"
    api = [
        *(str(binary("kube-apiserver")), f"--etcd-servers=http://127.0.0.1:{store}"),
        *("--bind-address=127.0.0.1", f"--secure-port={port}"),
        *(f"--tls-cert-file={folder / 'server.pem'}", f"--tls-private-key-file={key}"),
        *(f"--client-ca-file={folder / 'ca.pem'}", "--authorization-mode=RBAC"),
        *("--service-cluster-ip-range=10.0.0.0/24", "--allow-privileged=false"),
        *(f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}"),
        f"--service-account-issuer=https://127.0.0.1:{port}",
    ]
    with ExitStack() as processes:
        processes.enter_context(child("etcd", etcd, log_dir=folder))
        processes.enter_context(child("apiserver", api, log_dir=folder))
        running = Cluster(folder, f"https://127.0.0.1:{port}")
        eventually(
            lambda: running.kubectl("get", "--raw=/readyz", succeed=False).strip() == "ok",
            deadline_s=_STARTS_WITHIN,
            every_s=1,
            tell=lambda: tail(folder / "apiserver.err"),
        )
        _load_crds(running)
        yield running


def _credentials(folder: Path) -> tuple[str, ...]:
    return (
        f"certificate-authority={folder / 'ca.pem'}",
        f"client-certificate={folder / 'admin.pem'}",
        f"client-key={folder / 'admin.key'}",
        f"cache-dir={folder / 'kubectl-cache'}",
    )


def _load_crds(running: Cluster) -> None:
    """Load the operator's CRDs, which it prints itself, and Grafana's."""
    printed = subprocess.run(
        [binary("operator"), "crds"], capture_output=True, text=True, check=True
    ).stdout
    own = (Path(__file__).parent / "crds/grafanadashboards.yaml").read_text(encoding="utf-8")
    for text in (printed, own):
        running.kubectl("apply", "--server-side", "--filename=-", stdin=text)
    running.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
