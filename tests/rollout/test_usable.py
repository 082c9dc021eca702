# SPDX-License-Identifier: Apache-2.0
"""What is refused before it is published, row by row."""

from dataclasses import replace

import msgspec
import pytest
from tests.rollout.yard import CHARTER, READ, documents

from customhouse.domain.errors import CustomhouseError, InvalidRequest, ManifestInvalid, PlanesConflict
from customhouse.domain.plane import PLANES
from customhouse.planes.model.document import Choice, Deployment, Parameters, Posture
from customhouse.planes.tools.document import Grant
from customhouse.registry.charter import Charter
from customhouse.registry.documents import Documents
from customhouse.rollout.usable import MAX_DOCUMENT_BYTES, MAX_MEMBERS, require_lasting, require_usable

GOOD = documents()
SMALL = GOOD.model.deployments["small"]


def with_model(**fields: object) -> Documents:
    """Return documents with another model document."""
    return replace(GOOD, model=msgspec.structs.replace(GOOD.model, **fields))


def abroad(base_url: str) -> Deployment:
    return msgspec.structs.replace(SMALL, posture="api", base_url=base_url, terms="DPA-17")


def charter(**fields: object) -> Charter:
    """Return the charter with other fields."""
    return msgspec.structs.replace(CHARTER, **fields)


def test_good_documents_come_back_as_bytes() -> None:
    assert require_usable(GOOD, CHARTER) == GOOD.encoded()


@pytest.mark.parametrize(
    ("given", "terms", "error", "match"),
    [
        (
            documents(tools={"a": Grant(permission="deny", effect="undeclared")}),
            CHARTER,
            ManifestInvalid,
            "for a: name",
        ),
        (documents(needs=("gone",)), CHARTER, PlanesConflict, "needs the tool gone"),
        (documents("{{ nobody }}"), CHARTER, ManifestInvalid, "cannot be put to work"),
        (documents("{% include 'x' %}"), CHARTER, ManifestInvalid, "cannot be put to work"),
        (documents("{{"), CHARTER, ManifestInvalid, "cannot be put to work"),
        (
            with_model(route=(Choice(use=("small",), when="data.classification >="),)),
            CHARTER,
            ManifestInvalid,
            "cannot be put to work",
        ),
        (
            with_model(
                parameters=Parameters(seed=7),
                deployments={"small": msgspec.structs.replace(SMALL, dialect="anthropic")},
            ),
            CHARTER,
            ManifestInvalid,
            "small speaks anthropic, which cannot be told this seed",
        ),
        (with_model(route=(Choice(use=("small", "gone")),)), CHARTER, ManifestInvalid, "cannot be put to work"),
        (
            with_model(deployments={"small": msgspec.structs.replace(SMALL, name="other")}),
            CHARTER,
            ManifestInvalid,
            "the deployment small calls itself other",
        ),
        (
            with_model(posture=Posture(use="api")),
            CHARTER,
            ManifestInvalid,
            "local/small is self_hosted, in an assistant of posture api",
        ),
        (
            with_model(posture=Posture(use="hybrid"), deployments={"small": abroad("http://api.test/v1")}),
            CHARTER,
            ManifestInvalid,
            "local/small is api, and its address is not https",
        ),
        (
            with_model(
                posture=Posture(use="hybrid"),
                deployments={"small": msgspec.structs.replace(abroad("https://api.test/v1"), terms=None)},
            ),
            CHARTER,
            ManifestInvalid,
            "without terms it gets public data only",
        ),
        (
            with_model(postures_allowed=("embedded", "hybrid")),
            CHARTER,
            ManifestInvalid,
            "the posture is self_hosted, and the organisation allows embedded, hybrid",
        ),
        (with_model(posture=Posture(use="self_hosted", until="soon")), CHARTER, ManifestInvalid, "cannot be put"),
        (with_model(parameters=Parameters(temperature="hot")), CHARTER, ManifestInvalid, "cannot be put to work"),
        (with_model(parameters=Parameters(seed=2**53)), CHARTER, InvalidRequest, "no canonical form"),
        (documents(sources={"big": "x" * MAX_DOCUMENT_BYTES}), CHARTER, ManifestInvalid, "at most 1048576"),
        (documents("x" * 65_537), CHARTER, ManifestInvalid, "more than 65536 characters"),
        (GOOD, charter(owner="x" * 255), ManifestInvalid, "more than 254 characters"),
        (GOOD, charter(groups={"x" * 255: ()}), ManifestInvalid, "more than 254 characters"),
        (GOOD, charter(groups={"g": ("x" * 255,)}), ManifestInvalid, "more than 254 characters"),
        (GOOD, charter(groups={"g": ("x",) * (MAX_MEMBERS + 1)}), ManifestInvalid, "more than 1000 members"),
    ],
)
def test_refusals(given: Documents, terms: Charter, error: type[CustomhouseError], match: str) -> None:
    with pytest.raises(error, match=match):
        require_usable(given, terms)


@pytest.mark.parametrize(
    "base_url", ["https://api.test/v1", "http://127.0.0.1:9/v1", "http://[::1]:9/v1", "http://localhost/v1"]
)
def test_a_provider_outside_is_reached_encrypted_or_by_a_proxy_of_this_machine(base_url: str) -> None:
    assert require_usable(with_model(posture=Posture(use="hybrid"), deployments={"small": abroad(base_url)}), CHARTER)


def test_a_tool_that_may_be_called_needs_nothing_but_an_effect() -> None:
    assert set(require_usable(documents(tools={"a": READ}), CHARTER)) == set(PLANES)


@pytest.mark.parametrize(
    ("until", "now_us", "refused"),
    [
        (None, 2**60, False),
        ("2026-06-30", 1_782_863_999_999_999, False),
        ("2026-06-30", 1_782_864_000_000_000, True),
        ("9999-12-31", 2**60, True),
    ],
)
def test_a_posture_that_has_ended_is_not_published(until: str | None, now_us: int, *, refused: bool) -> None:
    model = with_model(posture=Posture(use="self_hosted", until=until)).model
    if not refused:
        require_lasting(model, now_us)
        return
    with pytest.raises(ManifestInvalid, match="the posture self_hosted ended on"):
        require_lasting(model, now_us)
