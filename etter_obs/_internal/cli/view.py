"""``etter-obs view``."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path
from typing import Final

import click

from etter_obs._internal.cli.common import BadInput, clear_errors, project_options, same_project

_HOST: Final = "127.0.0.1"
_PROMETHEUS: Final = "http://127.0.0.1:9090"


def _address(_: object, __: object, value: str | None) -> str | None:
    if value is None or value.startswith(("http://", "https://")):
        return value.rstrip("/") if value else None
    raise click.BadParameter(f"{value!r} is not an address, for example {_PROMETHEUS}")


@click.command()
@click.option(
    "--prometheus",
    metavar="URL",
    default=_PROMETHEUS,
    show_default=True,
    callback=_address,
    help="Address of Prometheus.",
)
@click.option("--loki", metavar="URL", callback=_address, help="Address of Loki, for log lines.")
@click.option(
    "--traces",
    metavar="URL|FILE",
    help="Address of Tempo, or the file that the collector writes traces to.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=3000,
    show_default=True,
    help="Port on loopback; 3000 is Grafana's, so that links in alerts open here. 0: any free one.",
)
@project_options
def view(
    prometheus: str,
    loki: str | None,
    traces: str | None,
    port: int,
    root: Path,
    environment: str | None,
) -> None:
    """Show the dashboards in a browser, where no Grafana runs.

    Draws grafana/dashboards/*.json with the answers of Prometheus, Loki and Tempo. Only a browser
    on this machine that has opened the printed link can use it, and it only reads. It runs until
    Ctrl-C.

    \b
      etter-obs view
      etter-obs view --loki http://127.0.0.1:3100 --traces http://127.0.0.1:3200
    """
    try:
        import uvicorn

        from etter_obs._internal.view.app import View
        from etter_obs._internal.view.sources import Source
    except ImportError as error:
        raise BadInput(
            f"{error.name} is not installed; run pip install 'etter-obs[view]'"
        ) from None
    from etter_obs._internal.view.project import Project
    from etter_obs._internal.view.trace_files import TraceFiles
    from etter_obs._internal.web.access import Access

    project = Project(root)
    with clear_errors():
        if not project.boards():
            folder, options = root / "grafana/dashboards", same_project(root, environment)
            raise BadInput(f"{folder}: no dashboards; run `etter-obs generate{options}` first")
        project.links()
        tempo = _address(None, None, traces) if traces and "://" in traces else None
        addresses = {"prometheus": prometheus, "loki": loki, "tempo": tempo}
        shown = View(
            project,
            {kind: Source(kind, url) for kind, url in addresses.items() if url},
            TraceFiles(Path(traces)) if traces and not tempo else None,
        )
        listener = _listener(port)
    token = secrets.token_urlsafe(24)
    click.echo(f"etter-obs view: http://{_HOST}:{listener.getsockname()[1]}/?token={token}")
    config = uvicorn.Config(
        shown.app(Access(token)), log_level="warning", proxy_headers=False, server_header=False
    )
    uvicorn.Server(config).run(sockets=[listener])


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
    except OSError:
        raise BadInput(f"port {port} is in use; pass --port, 0 for any free one") from None
    return listener
