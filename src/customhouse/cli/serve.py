# SPDX-License-Identifier: Apache-2.0
"""`customhouse serve`: the gateway and the control API in one process, until SIGTERM or Ctrl-C."""

import asyncio
import logging
import os
import signal
from typing import Final

import click
import uvicorn
from starlette.types import ASGIApp

from customhouse.app import build
from customhouse.cli.log_line import begin_log
from customhouse.cli.options import options
from customhouse.cli.output import say
from customhouse.cli.serve_address import write_address
from customhouse.gateway.connection import BoundedConnection
from customhouse.processes.supervise import require_free
from customhouse.settings import Settings, load
from customhouse.store.disk import Disk

MAX_CONNECTIONS: Final = 900
"""Open connections at most, below the usual 1024 open files; one more is answered 503 by the server."""

_log = logging.getLogger(__name__)


@click.command()
@click.option("--database", metavar="URL", help="PostgreSQL that several replicas share (default: SQLite in the home).")
@click.option("--host", help="Address to listen on (default 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (default 8080).")
@click.option("--allow-host", multiple=True, help="Accept this Host header, besides the loopback names; repeatable.")
@click.option("--tls-certificate", type=click.Path(exists=True, dir_okay=False), help="PEM file; speak TLS.")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False), help="PEM file of the certificate's key.")
@click.option("--trusted-proxy", multiple=True, help="Believe X-Forwarded-* from this address; repeatable.")
@click.pass_context
def serve(
    ctx: click.Context,
    *,
    database: str | None,
    host: str | None,
    port: int | None,
    allow_host: tuple[str, ...],
    tls_certificate: str | None,
    tls_key: str | None,
    trusted_proxy: tuple[str, ...],
) -> None:
    """Start the gateway and the control API.

    Every option is also a setting: CUSTOMHOUSE_HOST, CUSTOMHOUSE_PORT and so on; docs/reference/settings.md lists all.
    """
    if (tls_certificate is None) != (tls_key is None) and not _set_elsewhere(tls_certificate, tls_key):
        raise click.UsageError("--tls-certificate and --tls-key go together: give both or neither.")
    home = options(ctx).home
    settings = load(
        os.environ,
        home=None if home is None else str(home),
        database=database,
        host=host,
        port=port,
        allow_hosts=allow_host or None,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        trusted_proxies=trusted_proxy or None,
    )
    begin_log(settings.log_level, settings.log_format)
    say("settings: " + ", ".join(f"{name}={value}" for name, value in settings.shown.items()))
    require_free(settings.port, "the gateway", "Stop that program, or choose another port: --port.", host=settings.host)
    with asyncio.Runner(loop_factory=_loop) as runner:
        runner.run(run(settings))


async def run(settings: Settings, disk: Disk | None = None) -> None:
    """Serve until a signal; turns in flight are finished within `shutdown_grace_s`. Raises StoreUnavailable.

    `disk`: as in `build`.
    """
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        # The server acts on the signal and raises it again when it has stopped; then the store is still to be closed.
        loop.add_signal_handler(name, _log.info, "stopping")
    async with build(settings, disk) as app:
        server = uvicorn.Server(server_config(settings, app))
        announcing = asyncio.create_task(write_address(server, settings.home_path))
        try:
            await server.serve()
        finally:
            announcing.cancel()


def server_config(settings: Settings, app: ASGIApp) -> uvicorn.Config:
    """Return how the HTTP server runs: bounded, without an access log, with no word of which server it is."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="none",
        http=BoundedConnection,
        limit_concurrency=MAX_CONNECTIONS,
        ws="none",
        lifespan="off",
        log_config=None,  # its own handler would write what log_line.py leaves out
        log_level=settings.log_level,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=settings.shutdown_grace_s,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )


def _set_elsewhere(certificate: str | None, key: str | None) -> bool:
    """Return whether the half of the TLS pair that no option gives is a variable of the environment."""
    missing = "CERTIFICATE" if certificate is None else "KEY" if key is None else ""
    return bool(os.environ.get(f"CUSTOMHOUSE_TLS_{missing}"))


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop  # noqa: PLC0415 - only a server pays for it

    return uvloop.new_event_loop()
