# SPDX-License-Identifier: Apache-2.0
"""Who may embed texts: the kinds fit, and only the same model stands in for a model."""

from typing import Final

import msgspec
import pytest

from customhouse.domain.label import Classification
from customhouse.planes.model.document import Choice, Deployment, Document, Posture, Weights
from customhouse.planes.model.embedding import embedding_route
from customhouse.planes.model.select import Facts

CHAT: Final = Deployment(
    name="chat",
    provider="local",
    model="m",
    dialect="openai_chat",
    base_url="http://127.0.0.1:1/v1",
    posture="self_hosted",
    accepts="restricted",
)
MINI: Final = msgspec.structs.replace(
    CHAT,
    name="mini",
    model="minilm",
    kind="embedding",
    dimensions=384,
    weights=Weights(digest="sha256:aa", source="here"),
    tokenizer=Weights(digest="sha256:bb", source="here"),
)
TWIN: Final = msgspec.structs.replace(
    MINI, name="twin", provider="other", posture="api", base_url="https://api.test/v1", accepts="internal"
)


def document(*use: str, **changed: object) -> Document:
    twin = msgspec.structs.replace(TWIN, **changed)
    return Document(
        deployments={"chat": CHAT, "mini": MINI, "twin": twin},
        route=(Choice(use=("chat",)),),
        posture=Posture(use="hybrid"),
        embeddings=(Choice(use=use),) if use else (),
    )


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (Classification.INTERNAL, ["mini", "twin"]),
        (Classification.CONFIDENTIAL, ["mini"]),
    ],
)
def test_the_same_model_elsewhere_stands_in_where_the_data_may_go(level: Classification, expected: list[str]) -> None:
    route = embedding_route(document("mini", "twin"))
    chosen = route.select(Facts(level, "default", "dev")).deployments
    assert [each.name for each in chosen] == expected


def test_without_embeddings_nothing_embeds() -> None:
    selection = embedding_route(document()).select(Facts(Classification.PUBLIC, "default", "dev"))
    assert selection.deployments == ()
    assert selection.excluded == (("route", "route.no_entry"),)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"model": "other"}, "another name"),
        ({"dimensions": 385}, "another number of dimensions"),
        ({"weights": Weights(digest="sha256:ab", source="here")}, "other weights"),
        ({"weights": None}, "weights that nobody knows"),
        ({"tokenizer": Weights(digest="sha256:bc", source="here")}, "another tokenizer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_model_never_stands_in(changed: dict[str, object], why: str) -> None:
    assert why
    with pytest.raises(ValueError, match="mini and twin are different embedding models"):
        embedding_route(document("mini", "twin", **changed))
    embedding_route(document("mini", **changed))  # alone it may be anything


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (document("chat"), "chat is a model for chat, where one for embedding is needed"),
        (
            msgspec.structs.replace(document(), route=(Choice(use=("mini",)),)),
            "mini is a model for embedding, where one for chat is needed",
        ),
        (document("twin", dimensions=None), "twin does not say its dimensions"),
        (document("twin", dialect="anthropic"), "twin speaks anthropic: it embeds nothing"),
        (document("nobody"), "names nobody"),
    ],
    ids=["a chat model", "an embedding model that chats", "no dimensions", "a dialect without it", "unknown"],
)
def test_what_does_not_fit_is_refused_when_it_is_loaded(given: Document, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        embedding_route(given)


def test_documents_without_embeddings_keep_their_bytes() -> None:
    plain = Document(deployments={"chat": CHAT}, route=(Choice(use=("chat",)),), posture=Posture(use="hybrid"))
    content = msgspec.json.encode(plain)
    assert all(word not in content for word in (b"embedding", b"kind", b"dimensions", b"tokenizer"))
