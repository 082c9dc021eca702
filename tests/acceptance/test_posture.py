# SPDX-License-Identifier: Apache-2.0
"""The truth table of where data goes: posture x class x residency x primary up or down, over real sockets.

Each provider is a server of its own that keeps what it was sent. What labels allow is written here a second time, by
hand, and shares nothing with the code that selects. Afterwards the evidence query is asked who got what.
"""

import itertools
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import pytest
from tests.attacks.test_switches import acknowledged
from tests.gateway.running import FALLBACK, Running, documents, running
from tests.upstream.replies import answer, failure
from tests.upstream.server import Upstream, scripted_upstream

from customhouse.audit import walk
from customhouse.audit.routing import Question, Routing
from customhouse.domain.clock import rfc3339
from customhouse.domain.errors import PlanesConflict
from customhouse.domain.label import Classification
from customhouse.planes.model.document import Choice, Deployment, Posture
from customhouse.planes.safety.document import Document as SafetyDocument
from customhouse.rollout.submission import Published, SubmittedDocuments

CLASSES: Final = ("public", "internal", "confidential", "restricted")


class Provider(NamedTuple):
    """What is known of a provider, as people would say it."""

    posture: str
    region: str
    up_to: str


PROVIDERS: Final[Mapping[str, Provider]] = {
    "api": Provider("api", "us", "internal"),
    "cloud": Provider("managed", "eu", "confidential"),
    "home": Provider("self_hosted", "local", "restricted"),
    "inside": Provider("embedded", "local", "restricted"),
}
TAKES: Final[Mapping[str, tuple[str, ...]]] = {
    # an assistant's posture: the providers that its route may name, in the order of preference
    "api": ("api",),
    "managed": ("cloud",),
    "self_hosted": ("home", "inside"),
    "hybrid": ("api", "cloud", "home", "inside"),
    "embedded": ("inside",),
}
RESIDENCIES: Final[tuple[tuple[str, ...], ...]] = ((), ("us",), ("eu",), ("local",), ("eu", "local"))
ROWS: Final = len(TAKES) * len(RESIDENCIES) * len(CLASSES) * 2


def allowed(posture: str, level: str, residency: tuple[str, ...]) -> list[str]:
    """Return the providers that may see the data, in order: the oracle."""
    found: list[str] = []
    for name in TAKES[posture]:
        provider = PROVIDERS[name]
        if CLASSES.index(level) <= CLASSES.index(provider.up_to) and (not residency or provider.region in residency):
            found.append(name)
    return found


def submitted(
    posture: str, residency: tuple[str, ...], upstreams: Mapping[str, Upstream], number: int
) -> SubmittedDocuments:
    """Return five documents; deployments have a name of their own in each, so that no breaker remembers another row."""
    base = documents("http://127.0.0.1:1/v1", floor="public")
    deployments = {
        f"{name}-{number}": Deployment(
            name=f"{name}-{number}",
            provider=name,
            model="answer",
            dialect="openai_chat",
            base_url=upstreams[name].base_url,
            posture=PROVIDERS[name].posture,  # pyright: ignore[reportArgumentType] - a table of texts
            accepts=PROVIDERS[name].up_to,  # pyright: ignore[reportArgumentType] - likewise
            region=PROVIDERS[name].region,
            terms="DPA-17",
        )
        for name in TAKES[posture]
    }
    model = msgspec.structs.replace(
        base.model,
        deployments=deployments,
        route=(Choice(use=tuple(deployments)),),
        posture=Posture(use=posture),  # pyright: ignore[reportArgumentType] - likewise
        aliases=(),
    )
    safety = SafetyDocument(name="default", input_classification="public", residency=residency)
    return msgspec.structs.replace(base, model=model, safety=safety)


@contextmanager
def servers() -> Generator[dict[str, Upstream]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(scripted_upstream()) for name in PROVIDERS}


def row(
    gateway: Running, upstreams: Mapping[str, Upstream], level: str, may: list[str], *, down: bool, stream: bool
) -> Counter[str]:
    """Run one row; return who was sent how much."""
    broken = failure(500, "server_error", "The server had an error.")
    for name, upstream in upstreams.items():
        upstream.replies = (broken,) if down and may[:1] == [name] else (answer(f"Answered by {name}."),)
    before = {name: len(upstream.requests) for name, upstream in upstreams.items()}
    said = gateway.chat({"customhouse-classification": level}, stream=stream)
    got = +Counter({name: len(upstream.requests) - before[name] for name, upstream in upstreams.items()})
    left = may[1:] if down else may
    assert said.status == 200
    assert said.text.strip() == (f"Answered by {left[0]}." if left else FALLBACK)
    assert set(got) <= set(may), "data went where its labels do not allow"
    assert set(got) >= set(left[:1])
    return got


def in_force(gateway: Running, published: Published) -> None:
    """Wait until the gateway answers by a release."""
    assert published.outcome is not None
    assert published.outcome.moved is not None
    acknowledged(gateway, "dev", published.outcome.moved.generation)


def proof(gateway: Running, level: Classification) -> Routing:
    until_us = gateway.control.clock.now_us() + 1
    question = Question(level, rfc3339(0), rfc3339(until_us))
    return gateway.run(walk.routing(gateway.control.database, question, 0, until_us))


@pytest.mark.slow
def test_data_goes_where_its_labels_allow_and_the_evidence_says_so(tmp_path: Path, place: Path | str) -> None:
    sent: Counter[tuple[str, str]] = Counter()
    rows = refused = 0
    database = place if isinstance(place, str) else ""
    with servers() as upstreams:
        first = submitted("hybrid", (), upstreams, 0)
        with running(tmp_path / "home", first, database=database, poll_interval_ms=10) as gateway:
            for number, (posture, residency) in enumerate(itertools.product(TAKES, RESIDENCIES), start=1):
                nobody = not any(allowed(posture, level, residency) for level in CLASSES)
                try:
                    in_force(gateway, gateway.publish(submitted(posture, residency, upstreams, number)))
                except PlanesConflict:
                    assert nobody, "refused when it was loaded"
                    rows, refused = rows + 2 * len(CLASSES), refused + 2 * len(CLASSES)
                    continue
                assert not nobody
                for down, level in itertools.product((False, True), CLASSES):
                    may = allowed(posture, level, residency)
                    got = row(gateway, upstreams, level, may, down=down, stream=rows % 2 == 1)
                    sent.update({(name, level): count for name, count in got.items()})
                    rows += 1
            assert rows == ROWS == 200
            assert refused == 72
            for level in Classification:
                found = proof(gateway, level)
                assert found.proven
                counted: Counter[str] = Counter()
                for each in found.destinations:
                    counted[each.provider] += each.calls
                wanted: Counter[str] = Counter()
                for (name, of), count in sent.items():
                    if CLASSES.index(of) >= level:
                        wanted[name] += count
                assert counted == wanted, level.label
