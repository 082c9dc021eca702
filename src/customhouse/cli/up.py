# SPDX-License-Identifier: Apache-2.0
"""`customhouse up`: everything embedded, from nothing to a served assistant; `make run` calls it.

(1) the ports are free, the manifest stands (the sample, when there is none) and the weights are those it names
(2) releases and the dev-only key, through the control API (first_start.py); what is in force in dev decides which model
    is started, as it decides for the gateway, and the manifest only where nothing is in force yet
(3) the local model, supervised, then the gateway, in this process
(4) a signal: turns are finished, the model is stopped, nothing stays behind

Whatever is missing ends the command before anything is started, with the command or the option that helps.
"""

import asyncio
import os
import shutil
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, NamedTuple

import click
import uvicorn
import uvloop

from customhouse.app import build
from customhouse.cli import first_start
from customhouse.cli.client import Client, Local
from customhouse.cli.first_start import LocalModel
from customhouse.cli.log_line import begin_log
from customhouse.cli.manifest_option import manifest_option
from customhouse.cli.model_child import lacking, model_child
from customhouse.cli.options import options
from customhouse.cli.output import refuse, say
from customhouse.cli.progress import Progress
from customhouse.cli.serve import server_config
from customhouse.cli.serve_address import write_address
from customhouse.manifest.load import load as load_manifest
from customhouse.manifest.sample import write_sample
from customhouse.processes.supervise import Child, require_free, supervised
from customhouse.settings import Settings, load
from customhouse.store import home_lock

READY: Final = """
Customhouse is up.

  base URL   {url}/v1
  console    {url}/   (sign in with an operator key: {command} people add {captain} --role captain)
  key        {key}   (for {assistant} in dev, on this machine)

Three things to try, in another terminal:

1. Ask the assistant:
curl -s {url}/v1/chat/completions \\
  -H "Authorization: Bearer $(cat {key})" -H "Content-Type: application/json" \\
  -d '{{"model": "{assistant}", "messages": [{{"role": "user", "content": "Where is my order?"}}]}}'

2. See where the answer came from:
{command} trace --last

3. Roll its prompt back, alone, and ask again:
{command} rollback {assistant} --plane prompt --environment dev --reason test

And back again, because what was rolled back is held, under the number that is said, until somebody lifts it:
{command} holds lift {hold} --reason "it was a test"
{command} promote {release} --environment dev

Ctrl-C stops everything.
"""


class Ready(NamedTuple):
    """What was prepared: the models to start, and what to print once everything is served."""

    models: tuple[Child, ...]
    assistant: str
    captain: str
    release: str
    hold: str
    key: Path


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the gateway (default 8080).")
@click.option("--no-model", is_flag=True, help="Start no local model: another program serves it.")
@manifest_option
@click.pass_context
def up(ctx: click.Context, *, port: int | None, no_model: bool, manifest: Path) -> None:
    """Start everything embedded: sample manifest, store, local model, gateway.

    The first run writes ./manifest and ./.customhouse, releases the sample to dev and makes a dev-only key; later runs
    find them. Ctrl-C stops everything.
    """
    home = options(ctx).home
    level = os.environ.get("CUSTOMHOUSE_LOG_LEVEL", "warning")
    settings = load(os.environ, home=None if home is None else str(home), port=port, log_level=level)
    begin_log(level, settings.log_format)
    try:
        with Progress() as progress, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            ready = _prepare(settings, manifest, progress, with_model=not no_model)
            runner.run(_serve(settings, ready, progress))
    except asyncio.CancelledError:
        refuse("stopped while starting")
    say("stopped")


def _prepare(settings: Settings, manifest: Path, progress: Progress, *, with_model: bool) -> Ready:
    """Do (1) and (2). Raises StartRefused, ManifestErrors, or what the control API refuses."""
    other = "Stop that program, or choose another port: customhouse up --port 8090 (make run PORT=8090)."
    require_free(settings.port, "the gateway", other)
    if settings.home_path.exists():  # the first run of all makes no home before the weights are known to be right
        with home_lock.held(settings.home_path):
            pass  # a server of this home is told of, and not the ports of its models
    if not manifest.exists():
        progress.step(f"writing a sample manifest to {manifest}/")
        write_sample(manifest)
    progress.step(f"reading {manifest}/")
    declared = load_manifest(manifest)
    compiled = first_start.compile_all(declared)
    if not compiled:
        refuse(f"{manifest}/ declares no assistant; `customhouse init DIRECTORY` writes a sample to start from")
    for name in declared.policy_only:
        progress.note(f"{name} has a policy only: owner, on_call, fallback missing, so it is not released")
    progress.step("looking at what is in force")
    client = Client(Local(settings))
    try:
        # The first run of all makes no home before the weights are known to be right.
        served = first_start.running(client) if settings.database_path.exists() else {}
        for name in first_start.differing(compiled, served):
            again = f"customhouse plan {name}, then customhouse release {name} --notes …"
            progress.note(f"{name}: the manifest differs from what is in force in dev: {again}")
        new = {name: one for name, one in compiled.items() if name not in served}
        models = _startable(first_start.local_models(served | new) if with_model else (), progress)
        progress.step("verifying the model's weights")
        children = tuple(model_child(settings, model, in_force=model.assistant in served) for model in models)
        first_start.publish_missing(client, declared, compiled, progress.note)
        assistant = first_start.favourite(compiled)
        release = first_start.release_in_force(client, assistant)
        key = first_start.dev_key(client, settings.home_path, assistant, progress.note)
    finally:
        client.close()
    # Nothing was rolled back before the first run, so what it would hold first is known.
    captain = compiled[assistant].charter.owner
    return Ready(children, assistant, captain, release, "NUMBER" if served else "1", key)


def _startable(models: tuple[LocalModel, ...], progress: Progress) -> tuple[LocalModel, ...]:
    """Return the models that this machine can serve; what is not started is said, and its calls fail as said."""
    for model in models:
        problem = lacking(model)
        if problem is not None:
            progress.note(problem)
    return tuple(model for model in models if lacking(model) is None)


async def _serve(settings: Settings, ready: Ready, progress: Progress) -> None:
    """Do (3) and (4): a first signal while starting cancels, one while serving lets turns finish."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    server: uvicorn.Server | None = None

    def end() -> None:
        if server is not None:
            server.should_exit = True
        elif task is not None:
            task.cancel()

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, end)
    async with AsyncExitStack() as stack:
        for child in ready.models:
            progress.step(f"starting {child.name}")
            await stack.enter_async_context(supervised(child, say))
        progress.step("starting the gateway")
        app = await stack.enter_async_context(build(settings))
        server = uvicorn.Server(server_config(settings, app))
        announcing = asyncio.create_task(_announce(server, settings, ready, progress))
        try:
            await server.serve()
        finally:
            announcing.cancel()


async def _announce(server: uvicorn.Server, settings: Settings, ready: Ready, progress: Progress) -> None:
    """Say where everything is, as soon as requests are answered."""
    await write_address(server, settings.home_path)
    progress.finish()
    url = f"http://{settings.host}:{settings.port}"
    terms = {"assistant": ready.assistant, "captain": ready.captain, "release": ready.release, "hold": ready.hold}
    click.echo(READY.format(url=url, key=ready.key, command=_command(), **terms))


def _command() -> str:
    """Return how this program is called from the shell that reads the announcement."""
    if shutil.which("customhouse"):
        return "customhouse"
    here = Path(sys.executable).with_name("customhouse")
    return str(here.relative_to(Path.cwd())) if here.is_relative_to(Path.cwd()) else str(here)
