"""Builds the stack's programs from their Go modules, once, into the cache.

The key of a build is everything that affects its result: version, module files, toolchain, flags.
A build runs in a temporary folder that is renamed when complete, so that neither a killed build nor
a concurrent one can leave a broken binary.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from stack.cache import cache_root, locked
from stack.progress import Task, in_words, last_time
from stack.toolchain import go_command, go_environment
from stack.versions import BUILDS, FIRST_BUILD, GO_TOOLCHAIN, Build, build_of

_MODULES = Path(__file__).parent / "modules"
_TAIL = 30  # lines shown of a failed build's output


class BuildError(RuntimeError):
    """A program could not be built; the message contains the end of the compiler's output."""


def binary(name: str) -> Path:
    """Return the path of a program by name (promtool, loki, …); build it first if it is missing.

    Raises KeyError if no build produces the name, BuildError if the build fails.
    """
    ensure([build_of(name)])
    return destination(name)


def destination(name: str) -> Path:
    """Return where a program is once it is built. Raises KeyError if no build produces it."""
    return _home(build_of(name)) / name


def ensure(builds: Iterable[Build] = BUILDS) -> float:
    """Build the missing ones of `builds`; return the seconds that it took."""
    missing = missing_of(builds)
    estimates = [expected(build) for build in missing]
    known = [seconds for seconds in estimates if seconds is not None]
    if len(missing) > 1 and len(known) == len(missing):
        print(f"building {len(missing)} programs: about {in_words(sum(known))}", file=sys.stderr)
    seconds = 0.0
    for number, build in enumerate(missing, start=1):
        with locked(f"build-{build.name}"):
            if _home(build).is_dir():  # another process built it while this one waited
                continue
            title = f"[{number} of {len(missing)}] building {build.name} {build.version}"
            with Task(title, _key(build), FIRST_BUILD.get(build.name)) as task:
                _build(build, task)
            seconds += task.elapsed
    return seconds


def expected(build: Build) -> float | None:
    """Return the seconds that a build takes, by the last time here, else by the first elsewhere."""
    return last_time(_key(build)) or FIRST_BUILD.get(build.name)


def missing_of(builds: Iterable[Build]) -> list[Build]:
    """Return those of `builds` that are not in the cache."""
    return [build for build in builds if not _home(build).is_dir()]


def _key(build: Build) -> str:
    return f"build {build.name}"


def _home(build: Build) -> Path:
    digest = hashlib.sha256(f"{build} {GO_TOOLCHAIN}{''.join(build.unoptimized)}".encode())
    for file in sorted((_MODULES / build.name).iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return cache_root() / "bin" / f"{build.name}-{build.version}-{digest.hexdigest()[:12]}"


def _build(build: Build, task: Task) -> None:
    home = _home(build)
    home.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in home.parent.glob(
        f".{build.name}-*"
    ):  # this process holds the lock, so their builders have ended
        shutil.rmtree(abandoned)
    with tempfile.TemporaryDirectory(prefix=f".{home.name}-", dir=home.parent) as scratch:
        source = Path(scratch) / "source"
        shutil.copytree(_MODULES / build.name, source)
        go = go_command()
        if build.generated:
            _generate_collector(go, source, task)
        made = Path(scratch) / "made"
        made.mkdir()
        flags = f"-s -w -X {build.stamp}={build.version}" if build.stamp else "-s -w"
        options = ["-v", "-p", "2", "-tags", build.tags, "-ldflags", flags, *_compiler(build)]
        packages = list(build.packages.values())
        if (
            len(packages) > 1
        ):  # named as their packages are, and one is linked while another compiles
            _run([go, "build", *options, "-o", made, *packages], source, task)
        else:
            _run(
                [go, "build", *options, "-o", made / next(iter(build.packages)), *packages],
                source,
                task,
            )
        made.rename(home)


def _compiler(build: Build) -> list[str]:
    """Return the compiler's flags: no debug information, which the linker would drop, and less."""
    fast = [f"-gcflags={pattern}=-N -l -dwarf=false" for pattern in build.unoptimized]
    return ["-gcflags=all=-dwarf=false", *fast]


def _generate_collector(go: Path, source: Path, task: Task) -> None:
    """Write the collector's sources from its manifest; keep the pinned go.mod and go.sum."""
    pinned = {name: (source / name).read_bytes() for name in ("go.mod", "go.sum")}
    builder = source / "builder"
    _run(
        [go, "build", "-v", "-o", builder, "go.opentelemetry.io/collector/cmd/builder"],
        source,
        task,
    )
    _run(
        [builder, "--config=manifest.yaml", "--skip-compilation", "--skip-get-modules"],
        source,
        task,
    )
    for name, content in pinned.items():
        (source / name).write_bytes(content)


def _run(command: list[str | Path], folder: Path, task: Task) -> None:
    """Run one step; each line that it prints (`go build -v`: a compiled package) is progress."""
    tail: list[str] = []
    with subprocess.Popen(
        command,
        cwd=folder,
        env=go_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - PIPE was asked for
        for count, line in enumerate(process.stdout, start=1):
            tail = [*tail[1 - _TAIL :], line]
            task.update(f"{count} packages")
    if process.returncode:
        raise BuildError(f"{' '.join(map(str, command[:3]))} in {folder.name}:\n{''.join(tail)}")
