# SPDX-License-Identifier: Apache-2.0
"""The composition root: settings in, applications out. The only place that builds objects and connects them."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from customhouse import __version__, memory, upkeep
from customhouse.access import issuers
from customhouse.access.credentials import Credentials
from customhouse.api.app import build_api
from customhouse.api.front import Front
from customhouse.api.routes import ROUTES
from customhouse.approvals import expire, outbox
from customhouse.budget import forget
from customhouse.budget.reserve import Budgets
from customhouse.console.app import build_console, places
from customhouse.domain.clock import SystemClock
from customhouse.domain.errors import InvalidRequest
from customhouse.domain.principal import Actor
from customhouse.gateway.account import Account, Watch
from customhouse.gateway.health import Facts, Health
from customhouse.gateway.http import DataPlane
from customhouse.gateway.in_force import StaleAfter
from customhouse.gateway.prepare import Preparations
from customhouse.gateway.recall import Recall
from customhouse.gateway.replay import Desk
from customhouse.gateway.returned import Returns
from customhouse.gateway.turn import Gateway
from customhouse.ledger import catch_up, leader
from customhouse.ledger.append import Ledger, Observe
from customhouse.ledger.own_key import require_own_key, require_root_key
from customhouse.ledger.placing import CHAINED, STAGED
from customhouse.ledger.recover import settle_open_calls
from customhouse.ledger.retention import Calendar
from customhouse.ledger.sequence import Progress, Sequencer
from customhouse.ledger.standby import Standby, open_standby
from customhouse.notify.channels import channels
from customhouse.outgoing.credential import UpstreamCredentials
from customhouse.planes.model.call import Limits, Upstreams
from customhouse.planes.model.circuits import Circuits
from customhouse.registry import dead_replicas
from customhouse.registry.control import Control
from customhouse.registry.current import Current
from customhouse.registry.look import Looker
from customhouse.registry.presence import Presence
from customhouse.registry.replica import State, Unreached
from customhouse.registry.unreached import unreached
from customhouse.settings import Settings
from customhouse.store import home_lock
from customhouse.store.disk import Disk, RealDisk
from customhouse.store.stores import Stores, open_stores
from customhouse.telemetry import access_line
from customhouse.tickets import forget as forget_tickets
from customhouse.tickets.redeem import Redemptions
from customhouse.vault.keyring import read_or_create, root_key
from customhouse.vault.mint import ticket_keys
from customhouse.vault.sign import open_release_key

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from customhouse.telemetry.otlp import SpanExport

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Installation:
    """The objects that a server and a local command share."""

    stores: Stores
    control: Control
    credentials: Credentials
    current: Current
    redemptions: Redemptions
    replica: str
    standby: Standby | None
    issuers: issuers.Issuers


@asynccontextmanager
async def installation(
    settings: Settings, *, disk: Disk | None = None, observe: Observe | None = None
) -> AsyncGenerator[Installation, None]:
    """Open the store and the keys; close them at the end. Raises StoreUnavailable.

    Only a server, which alone holds its home, has a spool: it names the `disk` for it. `observe` is told of every
    append.
    """
    clock = SystemClock()
    trusted = issuers.load(settings.issuers, clock)
    settings.home_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    replica = clock.uuid7()
    if disk is not None:
        # Kept in the home, which one server holds at a time: whoever finds it knows that its last holder has ended. A
        # command leaves none behind, so that a home that is copied into an image before its first server has none.
        replica = read_or_create(settings.home_path / "replica", replica.encode()).decode()
    async with AsyncExitStack() as stack:
        # First, so that a database that cannot be opened leaves no new keys behind, which would not be its own.
        stores = await stack.enter_async_context(open_stores(settings))
        await require_own_key(stores.control, settings.keys_path, clock)
        root = root_key(settings.keys_path, clock)
        standby = await stack.enter_async_context(_standby(settings, root, clock, disk))
        ledger = Ledger(
            stores.gateway,
            root,
            clock,
            placing=STAGED if stores.shared else CHAINED,
            replica=replica,
            standby=standby,
            observe=observe,
        )
        control = Control(
            database=stores.control, ledger=ledger, release_key=open_release_key(settings.keys_path), clock=clock
        )
        credentials = Credentials(stores.control, clock, stale_after_s=settings.stale_refuse_s)
        redemptions = Redemptions(stores.gateway, ledger, ticket_keys(root, settings.ticket_key_number), clock)
        yield Installation(stores, control, credentials, Current(control), redemptions, replica, standby, trusted)


@asynccontextmanager
async def _standby(
    settings: Settings, root: bytes, clock: SystemClock, disk: Disk | None
) -> AsyncGenerator[Standby | None]:
    if disk is None:
        yield None
        return
    standby = open_standby(
        settings.spool_path,
        root,
        clock,
        disk=disk,
        max_bytes=settings.spool_max_bytes,
        max_age_s=settings.spool_max_age_s,
        timeout_s=settings.ledger_timeout_s,
    )
    try:
        yield standby
    finally:
        await standby.close()


@asynccontextmanager
async def build_local(settings: Settings) -> AsyncGenerator[ASGIApp, None]:
    """Yield the control API for a command in this process, acting as `local:<uid>`: who can open the store's files."""
    async with installation(settings) as built:
        await built.credentials.refresh()
        await built.current.refresh()
        actor = Actor(f"local:{os.getuid()}", "local", frozenset())
        yield _api(built, actor)


@asynccontextmanager
async def build(settings: Settings, disk: Disk | None = None) -> AsyncGenerator[ASGIApp, None]:
    """Yield the server's application: data plane, control API, health. Only one server may hold a home directory.

    `disk` is the machine's, unless a test brings one that fails.
    """
    # Only a server pays for the metrics' library.
    from customhouse.telemetry.evidence import EvidenceCounts  # noqa: PLC0415
    from customhouse.telemetry.notifications import NotificationCounts  # noqa: PLC0415
    from customhouse.telemetry.turns import TurnCounts  # noqa: PLC0415

    export = _span_export(settings)
    telling = channels(settings, SystemClock())
    turns, evidence, told = TurnCounts(), EvidenceCounts(), NotificationCounts()
    with home_lock.held(settings.home_path):
        async with installation(settings, disk=disk or RealDisk(), observe=evidence.appended) as built:
            control = built.control
            await require_root_key(control.ledger, settings.keys_path)
            if built.standby is not None:
                await catch_up.start(control.ledger, built.standby)
            # On SQLite this is the only server; beside others only our own predecessor's calls are known to have ended.
            ours = built.replica if built.stores.shared else None
            settled = await settle_open_calls(built.stores.sequencer, control.ledger, control.clock, ours)
            if settled:
                _log.warning("%d model calls were open when the last server ended: recorded as model.unknown", settled)
            if built.stores.shared:  # before the first turn: what is in no day's partition stays in none
                await leader.make_days(built.stores.sequencer, control.clock)
            upstreams = _upstreams(settings, control)
            outboxes = outbox.each(telling, control, settings.public_url, told.told)
            unused = _unused(upstreams, outboxes)
            orphans: set[str] = set()
            sequencer = _sequencer(settings, built)
            watches = (turns.ended, access_line.write, *(() if export is None else (export.watch,)))
            data = _data_plane(settings, built, upstreams, orphans, watches)
            control.ledger.commit_here_while(lambda: data.turns == 1)
            pages = _pages(settings, built, data, sequencer, unused, (turns, evidence, told), export)
            api = _api(built, None)
            https = settings.public_url.startswith("https:")
            beginnings, whole = places(build_console(control, built.credentials, built.current, https=https))
            presence = _presence(settings, built, data, sequencer, unused)
            try:
                # Said before it is read what is in force: whoever moves that from now on waits for this replica.
                await presence.begin()
                await built.credentials.refresh()
                await built.current.refresh()
                await built.issuers.refresh()
                # What was built until here lives as long as the process.
                memory.settle()
                async with asyncio.TaskGroup() as tasks:
                    following = upkeep.Following(
                        control,
                        built.credentials,
                        built.current,
                        presence,
                        built.stores.sequencer,
                        built.replica,
                        orphans,
                    )
                    running = (
                        tasks.create_task(upkeep.follow(following, settings.poll_interval_ms / 1000)),
                        tasks.create_task(upkeep.catch_up_again(control, built.standby, orphans)),
                        tasks.create_task(upkeep.place_or_expire(control, sequencer, settings.payload_retention_days)),
                        tasks.create_task(upkeep.send_spans(export)),
                        tasks.create_task(upkeep.renew_credentials(upstreams.credentials)),
                        tasks.create_task(upkeep.renew_credentials(built.issuers)),
                        *(tasks.create_task(upkeep.tell(each)) for each in outboxes),
                    )
                    yield Front(settings.hosts, {"/v1/": data, "/api/": api, **beginnings}, {**pages, **whole})
                    for task in running:
                        task.cancel()
            finally:
                await presence.end()
                await upstreams.close()
                if export is not None:
                    await export.close()


def _api(built: Installation, actor: Actor | None) -> ASGIApp:
    return build_api(built.control, built.credentials, built.current, built.redemptions, ROUTES, local_actor=actor)


def _data_plane(
    settings: Settings, built: Installation, upstreams: Upstreams, orphans: set[str], watches: Sequence[Watch]
) -> DataPlane:
    gateway = Gateway(
        current=built.current,
        credentials=built.credentials,
        issuers=built.issuers,
        ledger=built.control.ledger,
        recall=Recall(built.stores.gateway, built.control.ledger, built.control.clock),
        returns=Returns(built.stores.gateway, built.control.ledger),
        budgets=Budgets(built.stores.gateway, timeout_s=settings.ledger_timeout_s),
        upstreams=upstreams,
        preparations=Preparations(),
        clock=built.control.clock,
        ticket_keys=built.redemptions.keys,
        desk=Desk(built.stores.gateway, built.control.ledger, built.redemptions.keys, built.control.clock),
        orphans=orphans,
        stale_after=StaleAfter(settings.stale_tools_s, settings.stale_refuse_s),
        turn_timeout_s=settings.turn_timeout_s,
        answer_bytes=settings.max_answer_bytes,
        region=settings.region,
        public_url=settings.public_url.rstrip("/"),
    )

    def watch(account: Account) -> None:
        for each in watches:
            each(account)

    return DataPlane(gateway, max_turns=settings.max_turns, max_body_bytes=settings.max_body_bytes, watch=watch)


def _pages(
    settings: Settings,
    built: Installation,
    data: DataPlane,
    sequencer: Sequencer | None,
    unused: Callable[[], tuple[Unreached, ...]],
    counts: "Sequence[Collector]",
    export: "SpanExport | None",
) -> Mapping[str, ASGIApp]:
    """Return what needs no plane: health and metrics, which look at the same objects."""
    from prometheus_client import CollectorRegistry, ProcessCollector  # noqa: PLC0415 - as in `build`

    from customhouse.telemetry.http import Metrics  # noqa: PLC0415
    from customhouse.telemetry.state import Sources, SpanCounts, StateMetrics  # noqa: PLC0415

    stores, ledger, clock = built.stores, built.control.ledger, built.control.clock

    def progress() -> Progress:
        return Progress(None, 0) if sequencer is None else sequencer.progress

    looker = Looker(
        stores.gateway, stores.control, stores.sequencer if stores.shared else None, clock, lambda: ledger.down
    )
    facts = Facts(_name(settings), built.replica, settings.stale_tools_s, settings.stale_refuse_s)
    health = Health(facts, built.current, built.credentials, looker, lambda: ledger.state, progress)
    sources = Sources(
        version=__version__,
        clock=clock,
        current=built.current,
        credentials=built.credentials,
        ledger=lambda: ledger.state,
        turns=lambda: data.turns,
        max_turns=settings.max_turns,
        spool_max_bytes=settings.spool_max_bytes,
        sequencer=progress,
        waiting=stores.waiting,
        spans=lambda: SpanCounts() if export is None else export.counts,
        unreached=unused,
        redeemed=lambda: built.redemptions.counts,
    )
    state, registry = StateMetrics(sources), CollectorRegistry()
    for collector in (*counts, state):
        registry.register(collector)
    ProcessCollector(registry=registry)
    metrics = Metrics(registry, state, looker, built.credentials, clock, settings.metrics_networks)
    return {"/healthz": health, "/readyz": health, "/metrics": metrics}


def _span_export(settings: Settings) -> "SpanExport | None":
    """Return who sends spans, where an endpoint is set. Raises InvalidRequest without the extra."""
    if not settings.otlp_endpoint:
        return None
    try:
        from customhouse.telemetry.otlp import SpanExport  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InvalidRequest(
            "otlp_endpoint is set, and the extra that sends spans is not installed: pip install 'customhouse[otel]'"
        ) from error
    return SpanExport(settings.otlp_endpoint, version=__version__, replica=_name(settings))


def _name(settings: Settings) -> str:
    return settings.replica_name or f"{socket.gethostname()}:{settings.port}"


def _upstreams(settings: Settings, control: Control) -> Upstreams:
    limits = Limits(
        connect_s=settings.connect_timeout_s,
        first_byte_s=settings.first_byte_timeout_s,
        idle_s=settings.idle_timeout_s,
        answer_bytes=settings.max_answer_bytes,
    )
    credentials = UpstreamCredentials(settings.credentials_path, os.environ, control.clock)
    return Upstreams(limits, credentials, Circuits(control.clock), control.clock)


def _unused(upstreams: Upstreams, outboxes: Sequence[outbox.Outbox]) -> Callable[[], tuple[Unreached, ...]]:
    circuits, credentials = upstreams.circuits, upstreams.credentials
    return lambda: unreached(circuits.troubles(), credentials.troubles(), [each.trouble for each in outboxes])


def _sequencer(settings: Settings, built: Installation) -> Sequencer | None:
    """Return this replica's candidate, where replicas share a database."""
    stores, ledger, clock = built.stores, built.control.ledger, built.control.clock
    if stores.leadership is None:
        return None
    duties = (
        *leader.duties(ledger, clock, settings.payload_retention_days),
        dead_replicas.duty(ledger, clock),
        forget.duty(Calendar(clock)),
        forget_tickets.duty(Calendar(clock)),
        expire.duty(ledger, clock),
    )
    return Sequencer(stores.sequencer, stores.leadership, clock, built.replica, duties)


def _presence(
    settings: Settings,
    built: Installation,
    data: DataPlane,
    sequencer: Sequencer | None,
    unused: Callable[[], tuple[Unreached, ...]],
) -> Presence:
    def state() -> State:
        return State(
            stale_refuse_s=settings.stale_refuse_s,
            ledger=built.control.ledger.state.status,
            turns=data.turns,
            sequencer=None if sequencer is None else sequencer.progress.epoch,
            unreached=unused(),
        )

    return Presence(
        built.stores.control,
        built.control.clock,
        replica=built.replica,
        name=_name(settings),
        version=__version__,
        shared=built.stores.shared,
        state=state,
    )
