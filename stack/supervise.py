"""`stack up`: honcho runs the Procfile; this process reports when all is ready, and stops all."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from honcho.manager import Manager
from honcho.printer import Message, Printer

from stack import installed
from stack.layout import (
    Ports,
    environment,
    lay_out,
    write_atomically,
    write_component_target,
)
from stack.native import READY_TIMEOUT, Stack, StackError, commands, programs
from stack.processes import answers

_WHEN_BUILT = 'until [ -x "${}" ]; do sleep 1; done; '


def up(
    run_dir: Path,
    config_root: Path,
    ports: Ports,
    only: Sequence[str],
    targets: Mapping[str, Sequence[str]],
    webhook: str | None,
    *,
    late: Sequence[str] = (),
    lifeline: bool = False,
) -> int:
    """Run the stack in the foreground until SIGTERM, SIGINT or, with `lifeline`, the end of stdin.

    Components in `late` start when another process has built them.

    Returns the exit code: 0 after an orderly stop, 1 if a component ended by itself.
    Raises PortTakenError, StackError (another stack runs in `run_dir`).
    """
    run_dir = run_dir.absolute()
    run_dir.mkdir(parents=True, exist_ok=True)
    lock = (run_dir / ".lock").open("w")  # the components' parent processes also hold it
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StackError(f"another stack runs in {run_dir}; stop it, or pass --dir") from None
    ports.require_free(grafana="grafana" in only)
    early = [name for name in only if name not in late]
    lay_out(run_dir, config_root, ports, early, targets, webhook)
    state = run_dir / "stack.json"
    state.unlink(missing_ok=True)

    output = _Output(sys.stdout)
    manager = _Manager(output)
    env = environment(run_dir, ports, programs(only, late))
    env |= installed.configure(run_dir, config_root, ports, only)
    for name, command in commands(only).items():
        shell = f"echo $$ > pids/{name}; exec > logs/{name}.log 2>&1; "
        shell += _WHEN_BUILT.format(name.upper()) if name in late else ""
        manager.add_process(name, shell + command, env=env, cwd=str(run_dir))
    stack = Stack.at(run_dir, config_root, ports, {})
    threading.Thread(target=_announce, args=(stack, ports, early, late), daemon=True).start()
    if lifeline:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    multiprocessing.set_start_method("fork", force=True)  # honcho's queue and processes require it
    try:
        manager.loop()
    finally:
        state.unlink(missing_ok=True)
    if manager.asked_to_stop:
        return 0
    print(f"stack: {output.first_stopped} ended by itself; the end of its log:\n", file=sys.stderr)
    log = run_dir / "logs" / f"{output.first_stopped}.log"
    print("\n".join(log.read_text(errors="replace").splitlines()[-20:]), file=sys.stderr)
    return 1


class _Manager(Manager):  # type: ignore[misc]
    """honcho's manager; it handles no signal before every process has its pid."""

    asked_to_stop = False

    def terminate(self) -> None:
        if self.returncode in (130, 143):  # SIGINT and SIGTERM, in honcho
            self.asked_to_stop = True
        if self._all_started():
            super().terminate()
        else:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()


class _Output(Printer):  # type: ignore[misc]
    """honcho's printer; it remembers which process ended first and made honcho stop the rest."""

    first_stopped = ""

    def write(self, message: Message) -> None:
        stopped = re.match(r"(\w+) stopped", message.data) if message.name == "system" else None
        if stopped and not self.first_stopped:
            self.first_stopped = stopped[1]
        super().write(message)


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _announce(stack: Stack, ports: Ports, early: Sequence[str], late: Sequence[str]) -> None:
    """Write stack.json once every early component is ready: `wait` waits for this file.

    Prometheus gets the address of a late one when it is ready, so that no alert reports it as down.
    """
    pid_files = {name: stack.run_dir / "pids" / name for name in (*early, *late)}
    # honcho forks until each process has its pid: no lock may be held here meanwhile, so only poll.
    while not all(file.exists() and file.stat().st_size for file in pid_files.values()):
        time.sleep(0.05)
    stack.pids.update({name: int(file.read_text()) for name, file in pid_files.items()})
    started = time.monotonic()
    for name in early:
        while not answers(stack.ready_url(name)):
            if time.monotonic() - started > READY_TIMEOUT:
                print(f"stack: {name} is not ready after {READY_TIMEOUT:.0f} s", file=sys.stderr)
                os.kill(os.getpid(), signal.SIGTERM)
                return
            time.sleep(0.1)
        print(f"stack: {name} is ready", flush=True)
    write_atomically(stack.run_dir / "stack.json", stack.as_json())
    print(f"stack: up after {time.monotonic() - started:.1f} s, {stack.prometheus}", flush=True)
    for name in late:
        while not answers(stack.ready_url(name)):
            time.sleep(1)
        write_component_target(stack.run_dir, name, ports)
        print(f"stack: {name} is ready", flush=True)
