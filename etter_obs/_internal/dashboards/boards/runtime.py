"""Runtime and host: the event loop, threads, memory, descriptors, and the machine under them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etter_obs._internal.conventions import (
    BUILD_INFO,
    EVENT_LOOP_LAG,
    GC_COLLECTIONS,
    GC_PAUSE,
    PROCESS_CPU,
    PROCESS_FDS,
    PROCESS_MAX_FDS,
    PROCESS_MEMORY,
    PROCESS_START,
    PROCESS_THREADS,
    THREADPOOL_IN_USE,
    THREADPOOL_LIMIT,
    THREADPOOL_WAITING,
    WORKERS,
    WORKERS_APART,
    Dashboard,
    Label,
)
from etter_obs._internal.conventions.external import Job, Node
from etter_obs._internal.dashboards.toolkit import thresholds, variables
from etter_obs._internal.dashboards.toolkit.board import Board, Section, line, section
from etter_obs._internal.dashboards.toolkit.links import to
from etter_obs._internal.dashboards.toolkit.palette import BLUE, GREY, ORANGE, SKY
from etter_obs._internal.dashboards.toolkit.panel_docs import About, Limit
from etter_obs._internal.dashboards.toolkit.panels import lines, single
from etter_obs._internal.dashboards.toolkit.promql import App, peak, rate, select, share, total
from etter_obs._internal.dashboards.toolkit.queries import Series, per
from etter_obs._internal.text.promql import differs, equals, matches_not

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Spec


def runtime(spec: Spec) -> Board:
    """Whether the process or the machine slows requests down."""
    app = App(spec.metric_prefix)
    return Board(
        Dashboard.RUNTIME,
        "Runtime and host",
        "The event loop, threads, memory and descriptors, and the machine under them.",
        [_glance(app), _loop(app), _process(app), _host(spec)],
        [variables.service(spec.service), variables.environment(spec.environment)],
        [variables.starts(app), variables.alerts()],
        span="1h",
    )


def _glance(app: App) -> Section:
    return section(
        "At a glance",
        line(
            single(
                About(
                    "Workers",
                    "Worker processes that are alive, over all instances.",
                    "Fewer than configured: one was killed, possibly by the OOM killer. See the "
                    "host's log and Logs and traces.",
                    "none",
                    links=[to(Dashboard.LOGS_TRACES, "Logs and traces")],
                ),
                f"sum({app(WORKERS)})",
                decimals=0,
            ),
            single(
                About(
                    "Counting apart",
                    "Instances whose workers cannot add up their metrics: a scrape shows one.",
                    "Rates and SLIs of this service are too low: set PROMETHEUS_MULTIPROC_DIR to a "
                    "folder in which all workers may write.",
                    "none",
                    Limit(bad=1),
                    links=[to(Dashboard.LOGS_TRACES, "Logs and traces")],
                ),
                f"sum({app(WORKERS_APART)})",
                decimals=0,
            ),
            single(
                About(
                    "Since the last start",
                    "Age of the youngest worker.",
                    "An age that keeps falling back is a crash loop: read the last log lines "
                    "before each start.",
                    "s",
                ),
                f"time() - max({app(PROCESS_START)})",
                decimals=0,
            ),
            single(
                About(
                    "Event-loop lag, p99",
                    "How late the loop runs a due timer; every request waits at least as long.",
                    "Something blocks the loop: a synchronous call in an async endpoint. Run it "
                    "in a thread.",
                    "s",
                ),
                app.quantile(0.99, EVENT_LOOP_LAG),
            ),
            single(
                About(
                    "Descriptors in use",
                    "Open file descriptors as a share of what a worker may open, the worst one.",
                    "Connections leak: find which grow with ss or lsof, and close what is "
                    "opened per request.",
                    "percentunit",
                    Limit(bad=0.9, warn=0.7),
                    links=[to(Dashboard.DATABASE, "Database")],
                ),
                f"max({app(PROCESS_FDS)} / {app(PROCESS_MAX_FDS)})",
                decimals=0,
            ),
            height=4,
        ),
    )


def _loop(app: App) -> Section:
    return section(
        "Event loop and threads",
        line(
            lines(
                About(
                    "Event-loop lag",
                    "How late the event loop ran a timer that was due.",
                    "Peaks beside slow requests: the same blocking call. Beside GC pauses: too "
                    "many objects.",
                    "s",
                ),
                Series(app.quantile(0.99, EVENT_LOOP_LAG), "p99", ORANGE),
                Series(app.quantile(0.5, EVENT_LOOP_LAG), "p50", BLUE),
            ),
            lines(
                About(
                    "Thread pool",
                    "Threads for synchronous endpoints: allowed, in use, and calls that wait.",
                    "Calls that wait: make the endpoint async, or raise the pool's limit.",
                    "none",
                ),
                Series(f"sum({app(THREADPOOL_IN_USE)})", "in use", BLUE),
                Series(f"sum({app(THREADPOOL_WAITING)})", "waiting", ORANGE),
                Series(f"sum({app(THREADPOOL_LIMIT)})", "allowed", GREY),
            ),
            lines(
                About(
                    "Garbage collection",
                    "Pause of a collection, p99, and the share of time spent in collections.",
                    "Long pauses: freeze start-up objects (gc.freeze) or find what makes so many.",
                    "s",
                ),
                Series(app.quantile(0.99, GC_PAUSE), "pause, p99", ORANGE),
                Series(app.rate(GC_PAUSE, part="_sum"), "seconds per second", SKY),
            ),
            lines(
                About(
                    "Collections by generation",
                    "Garbage collections per second, by generation.",
                    "Many collections of generation 2: long-lived objects are replaced often, for"
                    " example by in-process caches.",
                    "ops",
                ),
                Series(
                    app.rate(GC_COLLECTIONS, by=(Label.GENERATION,)),
                    f"generation {per(Label.GENERATION)}",
                ),
            ),
        ),
    )


def _process(app: App) -> Section:
    instance = per(Label.INSTANCE)
    return section(
        "Process",
        line(
            lines(
                About(
                    "Memory by instance",
                    "Resident memory of all workers of an instance.",
                    "A staircase is a leak: compare with the starts, and take a heap profile.",
                    "bytes",
                ),
                Series(total(app(PROCESS_MEMORY), Label.INSTANCE), instance),
            ),
            lines(
                About(
                    "CPU by instance",
                    "Processors' time that an instance's workers use.",
                    "At one CPU per worker the instance is saturated: add workers or instances.",
                    "none",
                ),
                Series(app.rate(PROCESS_CPU, by=(Label.INSTANCE,)), instance),
            ),
            lines(
                About(
                    "Threads and descriptors",
                    "Threads and open file descriptors over all workers.",
                    "Steady growth of either is a leak; use ss or lsof to find it.",
                    "none",
                ),
                Series(f"sum({app(PROCESS_THREADS)})", "threads", BLUE),
                Series(f"sum({app(PROCESS_FDS)})", "descriptors", ORANGE),
            ),
            lines(
                About(
                    "Versions running",
                    "Instances by version of the app, Python and FastAPI.",
                    "Two versions for longer than a rollout takes: the rollout is stuck.",
                    "none",
                ),
                Series(
                    "count by (version, python, fastapi) "
                    f"({peak(app(BUILD_INFO), 'instance', 'version', 'python', 'fastapi')})",
                    "{{version}}, Python {{python}}, FastAPI {{fastapi}}",
                ),
            ),
        ),
    )


def _host(spec: Spec) -> Section:
    job = equals(Label.JOB, Job.NODE)
    idle = select(Node.CPU, job, equals("mode", "idle"))
    free = total(select(Node.MEMORY_AVAILABLE, job), Label.INSTANCE)
    memory = total(select(Node.MEMORY_TOTAL, job), Label.INSTANCE)
    disks = matches_not("fstype", "tmpfs|overlay|squashfs|ramfs")
    size = peak(select(Node.FILESYSTEM_SIZE, job, disks), Label.INSTANCE, "mountpoint")
    available = peak(select(Node.FILESYSTEM_AVAILABLE, job, disks), Label.INSTANCE, "mountpoint")
    instance = per(Label.INSTANCE)
    return section(
        "Host",
        line(
            lines(
                About(
                    "CPU busy",
                    "Share of the processors' time not idle.",
                    "If the app uses it (CPU by instance above): add instances, or profile the "
                    "app. Otherwise find the process with top.",
                    "percentunit",
                    thresholds.resource(spec, "cpu"),
                ),
                Series(f"1 - avg by ({Label.INSTANCE}) ({rate(idle)})", instance),
                maximum=1,
            ),
            lines(
                About(
                    "Memory in use",
                    "Share of memory that is not available.",
                    "Near 100 %: the kernel kills the largest process. Compare with "
                    "Memory by instance above.",
                    "percentunit",
                    thresholds.resource(spec, "memory"),
                ),
                Series(f"1 - {free} / {memory}", instance),
                maximum=1,
            ),
            lines(
                About(
                    "Disks busy",
                    "Share of time in which a disk had work to do.",
                    "Find the process that writes with iotop; logs and swap are the usual causes.",
                    "percentunit",
                    thresholds.resource(spec, "disk-io"),
                ),
                Series(
                    peak(rate(select(Node.DISK_BUSY, job)), Label.INSTANCE, "device"),
                    per(Label.INSTANCE, "device"),
                ),
                maximum=1,
            ),
        ),
        line(
            lines(
                About(
                    "Disk space in use",
                    "Share of every file system that is used.",
                    "Free space now: Prometheus, Loki and the collector's queue stop when the "
                    "disk is full.",
                    "percentunit",
                    Limit(bad=0.9, warn=0.8),
                    links=[to(Dashboard.TELEMETRY, "Telemetry of the telemetry")],
                ),
                Series(f"1 - {share(available, size)}", per(Label.INSTANCE, "mountpoint")),
                maximum=1,
            ),
            lines(
                About(
                    "Load per processor",
                    "Processes that run or wait to, per processor.",
                    "Above one while CPU busy is low: they wait for the disk.",
                    "none",
                ),
                Series(
                    f"{peak(select(Node.LOAD, job), Label.INSTANCE)} / "
                    f"count by ({Label.INSTANCE}) ({idle})",
                    instance,
                ),
            ),
            lines(
                About(
                    "Network",
                    "Bytes per second over all interfaces but loopback.",
                    "A plateau is the limit of the interface or of the provider.",
                    "Bps",
                ),
                Series(
                    total(rate(select(Node.RECEIVED, job, differs("device", "lo")))), "received"
                ),
                Series(total(rate(select(Node.SENT, job, differs("device", "lo")))), "sent"),
            ),
        ),
    )
