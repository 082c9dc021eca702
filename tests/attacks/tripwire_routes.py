# SPDX-License-Identifier: Apache-2.0
"""Every route of the control API, asked by people of every role with the ids of every tenant.

The table is the API's own. A route with a name in its path, a parameter or a body that is not here fails the test, and
says what to add; one that shows a wire and is not in `SHOWS` fails too: then decide who may see it, and say so in
docs/reference/roles.md.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
from tests.attacks.tripwire import PAYLOAD, Watch, kinds, sightings, wire
from tests.attacks.tripwire_house import PEOPLE, TENANTS, Answer, House, Tenant, ask
from tests.attacks.tripwire_turns import Held
from tests.gateway.running import BOT, documents

from customhouse.access.keys import NewKey
from customhouse.access.people import NewPerson
from customhouse.api import openapi
from customhouse.api.replay import ReplayQuestion
from customhouse.api.route import ROOT, Route
from customhouse.api.routes import ROUTES
from customhouse.api.tickets import Ticket
from customhouse.approvals.decide import Said
from customhouse.ledger.record import ORGANIZATION
from customhouse.planes.tools.document import Document
from customhouse.registry.charter import Charter
from customhouse.rollout.hold import Lifting
from customhouse.rollout.promote import Promotion
from customhouse.rollout.review import Answer as Review
from customhouse.rollout.rollback import Rollback
from customhouse.rollout.submission import Submission
from customhouse.rollout.switch import LiftingSwitch, Throwing

ALL: Final = (*ROUTES, *openapi.routes(ROUTES))
PAYLOAD_READERS: Final = frozenset({"sam", "dana", "mia"})
"""The auditor, and who answers for the assistant."""
ARGUMENT_READERS: Final = PAYLOAD_READERS | {"ola"}
"""And whom the rule names that holds the call."""
EVERY: Final = 5
"""Of five tenants each person takes one to a route that is not about traces; all people together take every one."""
SHOWS: Final[Mapping[str, str]] = {
    f"GET {ROOT}/keys": "kn",
    f"POST {ROOT}/keys": "kn",
    f"POST {ROOT}/keys/{{id}}/revoke": "kn",
    f"GET {ROOT}/assistants/{{assistant}}/budgets": "kn",
    f"GET {ROOT}/switches": "n",
    f"POST {ROOT}/switches": "n",
    f"POST {ROOT}/switches/{{seq}}/lift": "n",
    f"GET {ROOT}/status": "n",
    f"GET {ROOT}/changes": "n",
    f"GET {ROOT}/changes/{{id}}": "n",
    f"POST {ROOT}/changes/{{id}}/approve": "n",
    f"POST {ROOT}/changes/{{id}}/reject": "n",
    f"GET {ROOT}/approvals": "rkn",
}
"""Which kinds of every tenant's wires a route may show besides traces: a switch, and what lifts it, names its scope."""


class Case(NamedTuple):
    """Somebody at work on one tenant's ids."""

    house: House
    who: str
    tenant: Tenant
    held: Held

    @property
    def turned(self) -> int:
        """Return a number that differs between people and between tenants."""
        return self.tenant.number + list(PEOPLE).index(self.who)


NAMES: Final[Mapping[str, Callable[[Case], list[str]]]] = {
    "assistant": lambda case: [BOT, case.tenant.name],
    "number": lambda _: ["1"],
    "seq": lambda case: [str(case.tenant.number + 1)],
    "email": lambda case: [f"spare{case.turned}@acme.test"],
    "keys id": lambda case: [case.tenant.spare],
    "approvals id": lambda case: [case.tenant.approval, case.held.named["decision"]],
    "changes id": lambda case: [case.house.change, case.held.named["decision"]],
    "traces id": lambda case: [*case.held.named.values(), case.tenant.key, case.tenant.name][case.turned % 2 :: 2],
}
"""Values for the names in paths; an `id` by what stands before it."""
PARAMETERS: Final[Mapping[str, Callable[[Case], str | None]]] = {
    "tenant": lambda case: (None, case.tenant.name, ORGANIZATION)[case.turned % 3],
    "payloads": lambda case: ("1", "0")[case.turned % 4 // 2],
    "release": lambda case: f"{BOT}@2" if case.turned // EVERY % 3 == 0 else None,
    "key": lambda case: case.tenant.key if case.turned // EVERY % 3 == 1 else None,
    "person": lambda case: case.tenant.subject if case.turned // EVERY % 3 == 2 else None,
    "environment": lambda _: "dev",
    "before": lambda _: "1000",
    "limit": lambda _: "10",
    "state": lambda _: "all",
    "classification": lambda _: "public",
    "since": lambda _: "2026-01-01",
    "until": lambda _: None,
    "assistant": lambda case: (None, BOT)[case.turned % 2],
}
BODIES: Final[Mapping[type, Callable[[Case], object]]] = {
    Submission: lambda case: _submission(case.turned),
    Promotion: lambda _: Promotion(assistant=BOT, number=2, environment="dev"),
    Rollback: lambda _: Rollback(assistant=BOT, planes=("prompt",), environment="dev", reason="test"),  # pyright: ignore[reportArgumentType] - as people write it
    Lifting: lambda _: Lifting(reason="test"),
    Review: lambda _: Review(reason="test"),
    Said: lambda _: Said(reason="test"),
    Throwing: lambda case: Throwing(scope=f"tenant:{case.tenant.name}", reason="test"),
    LiftingSwitch: lambda _: LiftingSwitch(reason="test"),
    NewPerson: lambda case: NewPerson(email=f"spare{case.turned}@acme.test", roles=("auditor",)),
    ReplayQuestion: lambda case: ReplayQuestion(
        before=Document(grants={}), after=Document(grants={}), tenant=case.tenant.name
    ),
    Ticket: lambda case: Ticket(ticket=f"{case.tenant.name}.{case.tenant.key}.x"),
    NewKey: lambda case: NewKey(assistant=BOT, tenants=(case.tenant.name,), delegate=(case.tenant.subject,)),
}


def everybody_looks(house: House, held: Mapping[int, Held], watch: Watch) -> int:
    """Ask every route as every person, and as each tenant's key; return how many traces were opened with payloads."""
    opened = 0
    connection = house.connection()
    for who, key in house.people.items():
        for tenant in house.tenants:
            case = Case(house, who, tenant, held[tenant.number])
            for route in ALL:
                if "/traces" not in route.path and case.turned % EVERY:
                    continue
                for target, body in requests(route, case):
                    given = ask(connection, route.method, target, body, _headers(key))
                    where = f"{route.method} {route.path} ({target}), by {who}"
                    watch.look(where, given.shown, _allowed(route, case, target, body, given))
                    assert given.status not in {401, 405, 500}, (where, given)
                    opens = "payloads=1" in target or route.path.endswith("/arguments") or _replayed(route, given)
                    opened += given.status == 200 and opens
    for tenant in house.tenants:
        case = Case(house, "ada", tenant, held[tenant.number])
        for route in ROUTES[tenant.number % EVERY :: EVERY]:
            for target, body in requests(route, case):
                given = ask(connection, route.method, target, body, _headers(house.tenants[tenant.number - 1].token))
                watch.look(f"{route.path} by another tenant's key", given.shown, _sent(target, body))
                assert (given.status == 401) is (route.verb is not None), (route.path, given)
    connection.close()
    return opened


def requests(route: Route, case: Case) -> Iterator[tuple[str, bytes | None]]:
    """Return a route's requests about one tenant: each of its values for the name in the path."""
    pairs = [(each.name, PARAMETERS[each.name](case)) for each in route.query]
    query = urlencode([(name, value) for name, value in pairs if value is not None])
    body = None if route.body is None else msgspec.json.encode(BODIES[route.body](case))
    for path in _paths(route.path, case):
        yield (f"{path}?{query}" if query else path), body


def _replayed(route: Route, given: Answer) -> bool:
    """Whether recorded calls were decided again, for which their arguments were opened."""
    return route.path.endswith("/replay") and given.status == 200 and b'"calls":0,' not in given.body


def missing() -> list[str]:
    """Return what the API takes and this file has no value for, one sentence each."""
    said: list[str] = []
    for route in ALL:
        said += [
            f"{route.path} has a name, {name}: add each tenant's values to NAMES in {__name__}"
            for name in _names(route.path)
            if name not in NAMES
        ]
        said += [
            f"{route.path} takes the parameter {each.name}: add a value to PARAMETERS in {__name__}"
            for each in route.query
            if each.name not in PARAMETERS
        ]
        if route.body is not None and route.body not in BODIES:
            said.append(f"{route.path} takes {route.body.__name__}: add a body of each tenant to BODIES in {__name__}")
    return said


def _paths(path: str, case: Case) -> Iterator[str]:
    names = _names(path)
    if not names:
        yield path
        return
    spans = list(re.finditer(r"\{[a-z]+\}", path))
    for value in NAMES[names[0]](case):
        filled = path[: spans[0].start()] + quote(value, safe="") + path[spans[0].end() :]
        yield from _paths(filled, case)


def _names(path: str) -> list[str]:
    """Return the names in a path; an id is called by the word before it."""
    words = path.split("/")
    found = [(words[place - 1], word[1:-1]) for place, word in enumerate(words) if word.startswith("{")]
    return [f"{before} {name}" if name == "id" else name for before, name in found]


def _allowed(route: Route, case: Case, target: str, body: bytes | None, given: Answer) -> frozenset[tuple[int, str]]:
    """Return what may stand in an answer: what was sent, what the route shows, and of a trace its tenant's."""
    sent = _sent(target, body)
    if given.status in {401, 403} and given.json["code"] == "access.verb_refused":
        return sent
    if "/approvals/" in route.path:  # of one tenant: what a record has of it, and the arguments for who may answer
        reads = route.path.endswith("/arguments") and case.who in ARGUMENT_READERS
        return sent | {(case.tenant.number, kind) for kind in ("rkn" + PAYLOAD if reads else "rkn")}
    if "/traces" not in route.path:
        return sent | kinds(SHOWS.get(f"{route.method} {route.path}", ""), TENANTS)
    if given.status >= 300:
        return sent
    if "traces" in given.json:
        listed = {each.tenant for trace in given.json["traces"] for each in sightings(trace["tenant"].encode())}
        assert "tenant=" not in target or listed <= {case.tenant.number}
        return sent | frozenset((number, kind) for number in listed for kind in "rkn")
    named: str = given.json["tenant"]
    if named == ORGANIZATION:  # what people wrote there themselves: terms of keys, paths that they were refused
        return sent | kinds("rkn", TENANTS)
    (number,) = {each.tenant for each in sightings(named.encode())}
    assert f"tenant={ORGANIZATION}" not in target
    assert "tenant=" not in target or number == case.tenant.number, (target, named)
    assert "/last" in target or number == case.tenant.number, (target, named)
    shown = "rkn" + (PAYLOAD if "payloads=1" in target and case.who in PAYLOAD_READERS else "")
    return sent | {(number, kind) for kind in shown}


def _sent(target: str, body: bytes | None) -> frozenset[tuple[int, str]]:
    return frozenset((each.tenant, each.kind) for each in sightings(target.encode() + b" " + (body or b"")))


def _headers(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}", "content-type": "application/json"}


def _submission(number: int) -> Submission:
    return Submission(
        assistant=BOT,
        documents=documents("http://127.0.0.1:9/v1", ("script",), prompt=f"Number {number}."),
        charter=Charter(owner="dana@acme.test", deputy="mia@acme.test", on_call="support-oncall", fallback="x"),
        notes="test",
        git_commit=None,
        environment=None,
    )


def front(house: House, watch: Watch) -> list[str]:
    """Ask, without a key, everything that the server says it has besides its planes; return the paths that answered.

    The sentence of its own 404 is the list. Metrics and health are for everybody: nothing of a tenant stands there.
    """
    connection = house.connection()
    told = ask(connection, "GET", "/nowhere").json["detail"]
    paths = sorted({*re.findall(r"/[a-z][\w./-]*", told), "/healthz", "/readyz", "/metrics", f"{ROOT}/"})
    answered: list[str] = []
    for path in paths:
        for headers in ({}, {"accept": "application/openmetrics-text"}, _headers(house.tenants[0].token)):
            given = ask(connection, "GET", path, None, headers)
            watch.look(f"GET {path} by anybody", given.shown)
            answered += [path] if given.status < 400 else []
    connection.close()
    return sorted(set(answered))


def wires_of(number: int) -> bytes:
    """Return one wire of each kind of a tenant: what a self-test must find."""
    return " ".join(wire(number, kind) for kind in "prkn").encode()
