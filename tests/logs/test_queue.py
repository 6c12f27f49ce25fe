"""No caller waits for a reader, and what does not fit is counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from etter_obs._internal.batch_worker import BatchWorker
from etter_obs._internal.conventions import LOG_QUEUE
from etter_obs._internal.logs import LogPipeline, get_logger
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.settings import Settings
from tests.logs.pipelines import Logged
from tests.waiting import eventually, usual

logger = get_logger("tests.queue")

PREAMBLE = """
import json, logging, os, sys, threading, time
from etter_obs._internal.conventions import LOG_QUEUE
from etter_obs._internal.logs import LogPipeline, get_logger
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.settings import Settings
from etter_obs._internal.conventions import TELEMETRY_DROPPED
registry = MetricsRegistry("etter")
logger = get_logger("child")
pipeline = LogPipeline(Settings(), "shop", "test", registry)
pipeline.install()
"""


def run(script: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a process that logs to its real standard output."""
    command = [sys.executable, "-c", PREAMBLE + script]
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.run(command, stderr=subprocess.PIPE, timeout=60, check=False, **options)


def test_a_blocked_reader_blocks_no_caller(tmp_path: Path) -> None:
    """With an unread pipe, calls stay fast, memory is bounded, drops are counted and logged."""
    reading, writing = os.pipe()
    capacity = 1000
    with (
        os.fdopen(writing, "w") as stream,
        os.fdopen(reading, "rb") as reader,
        Logged(tmp_path / "unused", Settings(log_queue_size=capacity), stream) as logged,
    ):
        took: list[float] = []
        logger.info("first")
        for number in range(20_000):
            began = time.perf_counter()
            logger.info("line", number=number)
            logged.pipeline.access({"status_code": 200})
            took.append(time.perf_counter() - began)
            assert logged.pipeline.queued() <= capacity + 1
        assert usual(took) < 0.01
        dropped = logged.dropped("queue_full")
        assert dropped > 30_000
        assert logged.pipeline.dropped == dropped
        assert not logged.pipeline.flush(0.05)

        received: list[bytes] = []
        drain = threading.Thread(target=lambda: received.extend(reader), daemon=True)
        drain.start()
        assert logged.pipeline.flush(30.0)
        logger.info("after")
        assert logged.pipeline.flush(30.0)
        lines = eventually(
            lambda: received if b'"after"' in b"".join(received) else None, deadline_s=30
        )
        parsed = [json.loads(line) for line in lines]
        told = [line["count"] for line in parsed if "dropped" in line["message"]]
        assert sum(told) == logged.pipeline.dropped
        assert len(parsed) - len(told) + logged.pipeline.dropped == 40_002
        stream.close()


def test_close_keeps_its_deadline_when_the_reader_is_stuck(tmp_path: Path) -> None:
    """close() with a blocked pipe returns at its deadline and counts the rest as dropped."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading, "rb"):
        registry = MetricsRegistry("etter")
        pipeline = LogPipeline(Settings(), "shop", "test", registry, stream)
        undo = pipeline.install()
        for _ in range(5_000):
            logger.info("x" * 100)
        began = time.monotonic()
        assert not pipeline.close(0.3)
        assert time.monotonic() - began < 10  # the reader is stuck for good
        assert pipeline.dropped > 0
        undo()
        registry.close()


def test_a_process_with_a_blocked_stdout_ends() -> None:
    """A process whose stdout has no reader exits cleanly within the shutdown deadline."""
    reading, writing = os.pipe()
    try:
        began = time.monotonic()
        done = run(
            "for _ in range(20000): logger.info('x' * 100)\n"
            "print('exit', pipeline.dropped > 0, file=sys.stderr)",
            stdout=writing,
        )
    finally:
        os.close(writing)
        os.close(reading)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b"exit True\n"
    assert time.monotonic() - began < Settings().shutdown_deadline + 10


def test_exceptions_that_wait_are_short() -> None:
    """However much exceptions say, in notes, causes and groups too, few bytes of it wait.

    What is written of them is a line with its mark of having been cut.
    """
    reading, writing = os.pipe()
    done = run(
        """
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
def fail(number):
    error = ValueError(f"{number} " + "x" * 1_000_000)
    error.add_note("y" * 1_000_000)
    group = ExceptionGroup("z" * 1_000_000, [SyntaxError("w" * 1_000_000)] * 100)
    raise error from group
def log(number):
    try:
        fail(number)
    except ValueError:
        logger.exception("failed")
log(0)
before = resident()
for number in range(200):
    log(number)
print(resident() - before, file=sys.stderr)
pipeline.close(0)
""",
        stdout=writing,
    )
    os.close(writing)
    with os.fdopen(reading, "rb") as reader:
        written = reader.read()
    assert 0 < int(done.stderr.split()[0]) < 100_000_000
    line = json.loads(written.splitlines()[0])
    assert (line["message"], line["truncated"]) == ("failed", True)


def test_what_was_logged_last_is_written_at_exit() -> None:
    """A process that ends without a shutdown writes all of its lines first."""
    done = run("for n in range(5000): logger.info('n', n=n)")
    assert [json.loads(line)["n"] for line in done.stdout.splitlines()] == list(range(5000))


@pytest.mark.parametrize("how", ["closed-by-python", "closed-at-start", "reader-gone"])
def test_a_lost_stdout_is_survived_and_counted(how: str) -> None:
    """With stdout closed or its reader gone the process runs on, and the lines count as dropped."""
    script = (
        f"if {how == 'closed-by-python'}: sys.stdout.close()\n"
        "file = os.open('/dev/null', os.O_RDWR)\n"
        "for _ in range(100): logger.info('x')\n"
        "pipeline.flush(5)\n"
        "count = registry.counter(TELEMETRY_DROPPED).child('log', 'write_failed').value\n"
        "print(count, pipeline.dropped, file=sys.stderr)\n"
    )
    if how == "closed-at-start":
        done = run(script, stdout=None, preexec_fn=lambda: os.close(1))
    elif how == "reader-gone":
        reading, writing = os.pipe()
        os.close(reading)
        done = run(script, stdout=writing)
        os.close(writing)
    else:
        done = run(script)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b"100.0 100\n"


def test_several_workers_share_one_pipe_without_mixing_lines() -> None:
    """Long lines of several processes on one slow pipe come out whole, each a JSON object."""
    script = (
        "parent = os.getpid()\n"
        "for _ in range(3):\n"
        "    if os.getpid() == parent: os.fork()\n"
        "for n in range(300): logger.info('long', text='x' * 9000, pid=os.getpid())\n"
        "pipeline.close(30)\n"
        "if os.getpid() == parent: [os.wait() for _ in range(3)]\n"
    )
    done = run(script)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 4 * 300
    assert len({line["pid"] for line in lines}) == 4


def test_a_pipe_that_does_not_block_loses_nothing() -> None:
    """Where another holder of the pipe has made it non-blocking, the writer waits for room."""
    script = (
        "os.set_blocking(1, False)\n"
        "for n in range(5000): logger.info('x' * 100, n=n)\n"
        "pipeline.close(30)\n"
    )
    done = run(script)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["n"] for line in done.stdout.splitlines()] == list(range(5000))


def test_a_forked_child_logs_its_own_lines_once() -> None:
    """After a fork the child's lines come, the parent's are not repeated, and both writers live."""
    script = (
        "for n in range(200): logger.info('before', n=n)\n"
        "if os.fork() == 0:\n"
        "    logging.getLogger('c').warning('child')\n"
        "    pipeline.close(10)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "logger.info('parent')\n"
    )
    done = run(script)
    assert done.returncode == 0, done.stderr
    messages = [json.loads(line)["message"] for line in done.stdout.splitlines()]
    assert sorted(messages) == sorted(["before"] * 200 + ["child", "parent"])


def test_a_signal_handler_may_log() -> None:
    """A handler that logs while the main thread logs does not lock up the process."""
    script = (
        "import signal\n"
        "hits = []\n"
        "def handler(*_): logger.warning('signal'); hits.append(1)\n"
        "signal.signal(signal.SIGALRM, handler)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\n"
        "while len(hits) < 300: logger.info('main'); time.sleep(0.0005)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0)\n"
        "print(pipeline.flush(30), file=sys.stderr)\n"
    )
    done = run(script)
    assert done.stderr == b"True\n"


def test_an_idle_writer_sleeps() -> None:
    """Without lines the writer uses no processor time; the next line is written immediately."""
    script = (
        "logger.info('one')\n"
        "pipeline.flush(5)\n"
        "time.sleep(1.0)\n"
        "used = time.process_time()\n"
        "time.sleep(1.0)\n"
        "used = time.process_time() - used\n"
        "logger.info('two')\n"
        "print(used < 0.02, pipeline.flush(5), file=sys.stderr)\n"
    )
    done = run(script)
    assert done.stderr == b"True True\n"
    assert len(done.stdout.splitlines()) == 2


def test_lines_come_without_a_flush(logged: Logged) -> None:
    """A line is in the stream shortly after the call, without a flush."""
    for number in range(3):
        logger.info("soon", number=number)
        eventually(
            lambda: logged.path.read_bytes().count(b"\n") > number,  # noqa: B023  # called at once
            deadline_s=30,
            every_s=0.01,
        )


def test_lines_of_many_threads_all_come(logged: Logged) -> None:
    """Eight threads that log at once lose nothing, and each thread's lines keep their order."""

    def work(thread: int) -> None:
        for number in range(500):
            logger.info("n", thread=thread, number=number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = logged.lines()
    for thread_number in range(8):
        numbers = [line["number"] for line in lines if line["thread"] == thread_number]
        assert numbers == list(range(500))


def test_a_worker_refuses_what_is_too_much_and_after_the_end() -> None:
    """The queue takes its capacity and no more; a closed one takes nothing; both are counted."""
    release = threading.Event()
    handled: list[int] = []
    refused: list[int] = []

    def handle(items: list[int]) -> None:
        release.wait(30)
        handled.extend(items)

    worker = BatchWorker[int](
        "test", capacity=10, batch=2, linger=0.01, handle=handle, dropped=refused.append
    )
    worker.put(0)
    eventually(lambda: len(worker) == 0, deadline_s=30, every_s=0.01)
    for number in range(1, 31):
        worker.put(number)
    assert (len(worker), sum(refused)) == (10, 20)
    release.set()
    assert worker.close(30)
    worker.put(99)
    assert handled == list(range(11))
    assert sum(refused) == 21


def test_the_queues_length_is_a_metric(tmp_path: Path) -> None:
    """A scrape sees how many lines wait while the reader is stuck, and none after the end."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading, "rb") as reader:
        with Logged(tmp_path / "unused", Settings(), stream) as logged:
            waiting = logged.registry.gauge(LOG_QUEUE).child()
            for _ in range(3_000):
                logger.info("x" * 100)

            def seen() -> float:
                logged.registry.refresh()
                return waiting.value

            eventually(lambda: seen() > 0, deadline_s=30)
            threading.Thread(target=reader.read, daemon=True).start()
            assert logged.pipeline.flush(30.0)
            assert seen() == 0
        stream.close()
