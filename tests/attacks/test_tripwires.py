# SPDX-License-Identifier: Apache-2.0
"""Twenty tenants, every endpoint, every verb: nobody is shown a byte of another tenant. SECURITY.md has the rule.

Each tenant's requests, answers, tool calls, ids, headers and keys are full of strings of its own (tripwire.py). A real
server answers; whatever anybody is shown is searched: answers, headers, errors, health, metrics, what commands print,
the server's log, the database's rows and the files of the home. Endpoints, routes and verbs are listed by the program
itself, so that a new one joins, or fails here with a sentence that says what to add.

Story: the provider's answer to acme is broken HTTP that repeats acme's question. The gateway logs what went wrong; if
the HTTP client's error quotes the line, acme's question stands in a log that bolt's administrators read.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from tests.attacks import tripwire_routes, tripwire_verbs
from tests.attacks.tripwire import Sighting, Watch, encodings, kinds, sightings, whole, wire
from tests.attacks.tripwire_house import TENANTS, Answer, House, ask, house, outage
from tests.attacks.tripwire_routes import everybody_looks, front
from tests.attacks.tripwire_store import everything_stored, payloads_read
from tests.attacks.tripwire_turns import (
    COMPLETIONS,
    ENDPOINTS,
    STORED,
    Held,
    chat,
    everybody_asks,
    everybody_intrudes,
    everybody_returns,
    headers,
    script,
)
from tests.attacks.tripwire_verbs import every_verb
from tests.upstream.server import scripted_upstream

from customhouse.gateway import http, responses
from customhouse.ledger.record import ORGANIZATION

ENCODINGS = encodings(wire(7, "p", "question"))


@pytest.mark.parametrize("form", ENCODINGS)
def test_a_wire_is_found(form: str) -> None:
    found = sightings(f'{{"id":"chatcmpl-{ENCODINGS[form]}"}}'.encode())
    assert {(each.tenant, each.kind) for each in found} == {(7, "p")}


def test_a_watch_tells_whose_wire_stood_where_it_must_not() -> None:
    watch = Watch()
    watch.look("own", wire(7, "p").encode(), whole(7))
    watch.look("nothing", b"tripwires are strings; trip07p")
    assert (watch.leaks, watch.seen) == (None, 1)
    watch.look("other", ENCODINGS["hex"].encode(), whole(8))
    watch.look("payload", ENCODINGS["raw"].encode(), kinds("rkn", TENANTS))
    assert [leak.partition(":")[0] for leak in watch.leaks or ()] == ["other", "payload"]
    assert Sighting(7, "p", "tripw07p-question") in sightings(ENCODINGS["raw"].encode())


def test_every_endpoint_route_and_verb_is_tried() -> None:
    served = {(method, path) for path, method in http.ENDPOINTS.items()}
    served |= {(method, STORED) for method in responses.Asked("", input_items=False).methods}
    served |= {(method, f"{STORED}/input_items") for method in responses.Asked("", input_items=True).methods}
    added = [
        f"{method} {path} is new: add requests full of wires to `turns` in tests/attacks/tripwire_turns.py, name it in "
        "ENDPOINTS, and let `script` repeat the wires in what its upstream answers"
        for method, path in served - ENDPOINTS
    ]
    assert added + tripwire_routes.missing() + tripwire_verbs.missing() == []
    assert served == ENDPOINTS


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_nobody_is_shown_a_byte_of_another_tenant(home: Path, store: str, request: pytest.FixtureRequest) -> None:
    database = "" if store == "sqlite" else request.getfixturevalue("postgres")
    watch = Watch()
    with scripted_upstream(script) as upstream, house(home, upstream.base_url, database) as built:
        held = everybody_asks(built, watch)
        assert all(len(each.named) == 6 and len(each.traces) > 20 for each in held.values())
        assert watch.seen > TENANTS * 30, "tenants see their own wires, so the search works"
        everybody_intrudes(built, held, watch)
        everybody_returns(built, held, watch)
        _through_an_outage(built, held, watch)
        assert {"/healthz", "/readyz", "/metrics", "/api/v1/"} <= set(front(built, watch))
        opened = every_verb(built, held, watch, home.parent)
        opened += everybody_looks(built, held, watch)
        front(built, watch)
        assert everything_stored(built, watch) >= {"evidence", "payload", "reference", "tenant_key", "chain_head"}
        names = [tenant.name for tenant in built.tenants]
        assert sum(payloads_read(built).values()) == opened > TENANTS, "each reading stands in a log"
        assert set(payloads_read(built)) <= {ORGANIZATION, *names}, "in the log of whose data it is"
    log = built.log.read_bytes()
    assert b"does not answer in HTTP/1.1" in log, "the log tells what went wrong"
    watch.look("the server's log", log)
    assert watch.leaks is None, "\n".join(watch.leaks[:20])


def _as_auditor(built: House, path: str) -> Answer:
    connection = built.connection()
    given = ask(connection, "GET", f"/api/v1/{path}", None, {"authorization": f"Bearer {built.people['sam']}"})
    connection.close()
    return given


def _through_an_outage(built: House, held: dict[int, Held], watch: Watch) -> None:
    """Let every tenant's turn go through the local spool; look at it, at health and at refusals meanwhile."""
    connection = built.connection()
    with outage(built):
        for tenant in built.tenants:
            given = ask(connection, "POST", COMPLETIONS, chat(tenant, "calls"), headers(tenant))
            watch.look(f"an outage, for tenant {tenant.number}", given.shown, whole(tenant.number))
            assert given.status == 200, given
            held[tenant.number].traces.append(given.headers["customhouse-trace-id"])
        front(built, watch)
        assert built.ready()["spool_entries"] > 0
        for path in built.settings.spool_path.rglob("*"):
            watch.look(f"the spool, {path.name}", path.read_bytes(), kinds("rkn", TENANTS))
        paths = ("keys", "status", f"traces/{held[0].named['tool call']}")
        with ThreadPoolExecutor(len(paths)) as pool:
            for path, given in zip(paths, pool.map(partial(_as_auditor, built), paths), strict=True):
                allowed = kinds("kn" if path == "keys" else "rkn", TENANTS if given.status < 300 else 1)
                watch.look(f"GET {path} in an outage", given.shown, allowed)
    connection.close()
    while built.ready()["ledger"] != "ok":
        pass
