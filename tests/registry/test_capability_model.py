# SPDX-License-Identifier: Apache-2.0
"""Every change of where models come from: its kind, `!` when it needs a second person, and its sentence."""

from typing import Final

import msgspec
import pytest

from customhouse.budget.limit import Limit
from customhouse.domain.capability import Capability
from customhouse.domain.label import Classification
from customhouse.domain.price import LongPrompt, Price
from customhouse.planes.model.document import (
    POSTURES_WITHIN,
    Azure,
    Choice,
    Deployment,
    Document,
    Parameters,
    Posture,
    PostureName,
    Weights,
)
from customhouse.planes.model.select import Facts, refusal
from customhouse.registry.capability_model import model_changes

LOCAL: Final = Deployment(
    name="small",
    provider="local",
    model="m",
    dialect="openai_chat",
    base_url="http://127.0.0.1:1/v1",
    posture="self_hosted",
    accepts="confidential",
    region="local",
    features=("tools",),
    weights=Weights(digest="sha256:aa", source="here"),
)
BIG: Final = Deployment(
    name="big",
    provider="openai",
    model="gpt",
    dialect="openai_chat",
    base_url="https://api.test/v1",
    posture="api",
    accepts="internal",
    region="us",
    api_key_env="KEY",
    terms="DPA-17",
)
TINY: Final = msgspec.structs.replace(LOCAL, name="tiny", accepts="public", weights=None)
ALL: Final = Choice(use=("small",))
HOME: Final = Choice(use=("small",), when="data.classification >= confidential")


def routed(
    *deployments: Deployment,
    route: tuple[Choice, ...] | None = None,
    posture: Posture | None = None,
    parameters: Parameters | None = None,
    client_may_set: tuple[str, ...] = (),
) -> Document:
    chosen = deployments or (LOCAL,)
    return Document(
        deployments={deployment.name: deployment for deployment in chosen},
        route=route or (Choice(use=tuple(deployment.name for deployment in chosen)),),
        posture=posture or Posture(use="hybrid"),
        parameters=parameters or Parameters(),
        client_may_set=client_may_set,
    )


def paid(price: Price) -> Document:
    document = routed(msgspec.structs.replace(BIG, price=price, price_source="manifest"))
    return msgspec.structs.replace(document, limits=(Limit(of="assistant", per="day", money="2"),))


MODELS: Final[list[tuple[str, Document, Document, list[str]]]] = [
    (
        "one more deployment",
        routed(),
        routed(LOCAL, BIG),
        [
            (
                "deployment_added! + may now be answered by openai/big "
                "(api, us, accepts internal, at https://api.test/v1, shown KEY)"
            ),
            "route_changed! ~ the route decides differently: small or big (was small)",
        ],
    ),
    (
        "one more deployment does not hide a rule that is gone",
        routed(LOCAL, BIG, route=(HOME, Choice(use=("big", "small")))),
        routed(LOCAL, BIG, TINY, route=(Choice(use=("big", "small", "tiny")),)),
        [
            "deployment_added! + may now be answered by local/tiny (self_hosted, local, accepts public, at http://127.0.0.1:1/v1)",
            (
                "route_changed! ~ the route decides differently: big or small or tiny "
                "(was small when data.classification >= confidential, else big or small)"
            ),
        ],
    ),
    (
        "a deployment under another's name counts by the key that the route knows",
        routed(LOCAL, BIG),
        msgspec.structs.replace(
            routed(LOCAL, BIG),
            deployments={"small": msgspec.structs.replace(BIG, base_url="https://evil.test/v1"), "big": BIG},
        ),
        [
            "data_class_lowered - data above internal no longer goes to any model; the limit was confidential",
            "data_class_lowered - openai/big accepts internal data (was confidential)",
            "deployment_changed ~ openai/big loses the feature tools",
            "deployment_changed! ~ openai/big: address is https://evil.test/v1 (was http://127.0.0.1:1/v1)",
            "deployment_changed! ~ openai/big: credential is KEY (was none)",
            "deployment_changed! ~ openai/big: model is gpt (was m)",
            "deployment_changed! ~ openai/big: posture is api (was self_hosted)",
            "deployment_changed! ~ openai/big: provider is openai (was local)",
            "deployment_changed! ~ openai/big: region is us (was local)",
            "deployment_changed! ~ openai/big: terms is DPA-17 (was none)",
            "deployment_changed! ~ openai/big: weights is none (was sha256:aa from here)",
        ],
    ),
    (
        "one deployment less",
        routed(LOCAL, BIG),
        routed(LOCAL),
        [
            (
                "deployment_removed - no longer answered by openai/big "
                "(api, us, accepts internal, at https://api.test/v1, shown KEY)"
            )
        ],
    ),
    ("a deployment that no route names is no capability", routed(), routed(LOCAL, BIG, route=(ALL,)), []),
    (
        "a new deployment takes a higher class",
        routed(BIG),
        routed(BIG, LOCAL),
        [
            "data_class_raised! + confidential data may now go to a model (local/small); the limit was internal",
            "deployment_added! + may now be answered by local/small (self_hosted, local, accepts confidential, at http://127.0.0.1:1/v1)",
            "route_changed! ~ the route decides differently: big or small (was big)",
        ],
    ),
    (
        "the same deployment takes a higher class",
        routed(),
        routed(msgspec.structs.replace(LOCAL, accepts="restricted")),
        [
            "data_class_raised! + local/small accepts restricted data (was confidential)",
            "data_class_raised! + restricted data may now go to a model (local/small); the limit was confidential",
        ],
    ),
    (
        "the same deployment takes a lower class",
        routed(),
        routed(msgspec.structs.replace(LOCAL, accepts="public")),
        [
            "data_class_lowered - data above public no longer goes to any model; the limit was confidential",
            "data_class_lowered - local/small accepts public data (was confidential)",
        ],
    ),
    (
        "another address",
        routed(BIG),
        routed(msgspec.structs.replace(BIG, base_url="https://b.test/v1")),
        ["deployment_changed! ~ openai/big: address is https://b.test/v1 (was https://api.test/v1)"],
    ),
    (
        "other weights",
        routed(),
        routed(msgspec.structs.replace(LOCAL, weights=None)),
        ["deployment_changed! ~ local/small: weights is none (was sha256:aa from here)"],
    ),
    *(
        (
            f"another {field}",
            routed(BIG),
            routed(msgspec.structs.replace(BIG, **{field: value})),
            [f"deployment_changed! ~ {shown_as} (was {was})"],
        )
        for field, value, shown_as, was in (
            ("provider", "acme", "acme/big: provider is acme", "openai"),
            ("model", "gpt-2", "openai/big: model is gpt-2", "gpt"),
            ("base_url", "https://evil.test/v1", "openai/big: address is https://evil.test/v1", "https://api.test/v1"),
            ("api_key_env", "OTHER_KEY", "openai/big: credential is OTHER_KEY", "KEY"),
            ("azure", Azure(api_version="v1", auth="entra"), "openai/big: azure is v1 by entra", "none"),
            ("region", "cn", "openai/big: region is cn", "us"),
            ("posture", "managed", "openai/big: posture is managed", "api"),
            ("terms", None, "openai/big: terms is none", "DPA-17"),
            ("approved_by", "mallory@acme.test", "openai/big: approval is mallory@acme.test", "none"),
        )
    ),
    *(
        (
            f"a key from a {kind} instead",
            routed(BIG),
            routed(msgspec.structs.replace(BIG, api_key_env=None, **{f"api_key_{kind}": "away"})),
            [f"deployment_changed! ~ openai/big: credential is the {kind} away (was KEY)"],
        )
        for kind in ("file", "command")
    ),
    (
        "weights of other terms",
        routed(),
        routed(msgspec.structs.replace(LOCAL, weights=Weights(digest="sha256:aa", source="there", licence="MIT"))),
        [("deployment_changed! ~ local/small: weights is sha256:aa from there, licence MIT (was sha256:aa from here)")],
    ),
    (
        "a later retirement and another context",
        routed(BIG),
        routed(msgspec.structs.replace(BIG, retires="2030-01-01", context=8192)),
        [
            "deployment_changed ~ openai/big: context is 8192 (was none)",
            "deployment_changed ~ openai/big: retirement is 2030-01-01 (was none)",
        ],
    ),
    (
        "another price is information",
        routed(msgspec.structs.replace(BIG, price=Price(input="1", output="2"), price_source="table 2026-11-24")),
        routed(
            msgspec.structs.replace(
                BIG, price=Price(input="1", cached_input="0.1", cache_write="2", output="3"), price_source="manifest"
            )
        ),
        [
            (
                "deployment_changed ~ openai/big: price is input 1, cached input 0.1, cache writes 2, output 3 USD per "
                "million tokens by manifest (was input 1, output 2 USD per million tokens by table 2026-11-24)"
            )
        ],
    ),
    (
        "a price at all",
        routed(BIG),
        routed(
            msgspec.structs.replace(
                BIG,
                price=Price(input="1", output="2", long_prompt=LongPrompt(over=200000, input="2", output="3")),
                price_source="table 2026-11-24",
            )
        ),
        [
            (
                "deployment_changed ~ openai/big: price is input 1, output 2; above 200000 prompt tokens input 2, "
                "output 3 USD per million tokens by table 2026-11-24 (was none)"
            )
        ],
    ),
    (
        "a lower price, by which a limit of money counts",
        paid(Price(input="1", output="2")),
        paid(Price(input="1", output="0")),
        [
            (
                "deployment_changed! ~ openai/big: price is input 1, output 0 USD per million tokens by manifest "
                "(was input 1, output 2 USD per million tokens by manifest)"
            )
        ],
    ),
    (
        "a higher price, by which a limit of money counts",
        paid(Price(input="1", output="2")),
        paid(Price(input="1", output="3")),
        [
            (
                "deployment_changed ~ openai/big: price is input 1, output 3 USD per million tokens by manifest "
                "(was input 1, output 2 USD per million tokens by manifest)"
            )
        ],
    ),
    (
        "another name to be called by",
        msgspec.structs.replace(routed(), aliases=("old",)),
        msgspec.structs.replace(routed(), aliases=("new",)),
        [
            "parameters_changed ~ no longer answers to the name old",
            "parameters_changed ~ now answers to the name new",
        ],
    ),
    (
        "another reason",
        routed(),
        routed(posture=Posture(use="hybrid", because="a pilot")),
        ["posture_changed ~ the posture is so because of a pilot (was nothing)"],
    ),
    (
        "a feature more",
        routed(BIG),
        routed(msgspec.structs.replace(BIG, features=("tools",))),
        ["deployment_changed ~ openai/big gains the feature tools"],
    ),
    (
        "a wider posture",
        routed(posture=Posture(use="self_hosted")),
        routed(posture=Posture(use="hybrid")),
        ["posture_changed! + takes models by posture hybrid (was self_hosted)"],
    ),
    (
        "a narrower posture",
        routed(posture=Posture(use="self_hosted")),
        routed(posture=Posture(use="embedded")),
        ["posture_changed - takes models by posture embedded (was self_hosted)"],
    ),
    (
        "another posture, neither wider nor narrower",
        routed(posture=Posture(use="managed")),
        routed(posture=Posture(use="api")),
        ["posture_changed! + takes models by posture api (was managed)"],
    ),
    (
        "an exception that lasts longer",
        routed(posture=Posture(use="hybrid", until="2027-01-01")),
        routed(posture=Posture(use="hybrid", until="2028-01-01")),
        ["posture_changed! + the posture holds until 2028-01-01 (was 2027-01-01)"],
    ),
    (
        "an exception without end",
        routed(posture=Posture(use="hybrid", until="2027-01-01")),
        routed(),
        ["posture_changed! + the posture holds until further notice (was 2027-01-01)"],
    ),
    (
        "an exception that ends",
        routed(),
        routed(posture=Posture(use="hybrid", until="2027-01-01")),
        ["posture_changed - the posture holds until 2027-01-01 (was further notice)"],
    ),
    (
        "the same deployments in another order",
        routed(LOCAL, BIG),
        routed(LOCAL, BIG, route=(Choice(use=("big", "small")),)),
        ["route_changed ~ the route prefers its deployments differently: big or small (was small or big)"],
    ),
    (
        "a condition falls away",
        routed(LOCAL, BIG, route=(HOME, Choice(use=("big", "small")))),
        routed(LOCAL, BIG, route=(Choice(use=("big", "small")),)),
        [
            (
                "route_changed! ~ the route decides differently: big or small "
                "(was small when data.classification >= confidential, else big or small)"
            )
        ],
    ),
    (
        "a condition falls away with a deployment",
        routed(LOCAL, BIG, route=(HOME, Choice(use=("big",)))),
        routed(BIG),
        [
            "data_class_lowered - data above internal no longer goes to any model; the limit was confidential",
            "deployment_removed - no longer answered by local/small (self_hosted, local, accepts confidential, at http://127.0.0.1:1/v1)",
            (
                "route_changed! ~ the route decides differently: big "
                "(was small when data.classification >= confidential, else big)"
            ),
        ],
    ),
    (
        "another temperature",
        routed(),
        routed(parameters=Parameters(temperature="0.2")),
        ["parameters_changed ~ temperature is 0.2 (was not set)"],
    ),
    ("clients may set more", routed(), routed(client_may_set=("seed",)), ["widened! + clients may now set seed"]),
    ("clients may set less", routed(client_may_set=("seed",)), routed(), ["narrowed - clients may no longer set seed"]),
]


def shown(changes: list[Capability]) -> list[str]:
    """Return each change as its kind, `!` when it loosens, and its text."""
    return sorted(f"{found.kind}{'!' * found.loosens} {found.text}" for found in changes)


@pytest.mark.parametrize(("reason", "before", "after", "expected"), MODELS, ids=[row[0] for row in MODELS])
def test_models(reason: str, before: Document, after: Document, expected: list[str]) -> None:
    assert shown(model_changes(before, after)) == sorted(expected), reason


@pytest.mark.parametrize("use", sorted(POSTURES_WITHIN))
def test_postures_are_those_that_a_turn_enforces(use: PostureName) -> None:
    for posture in POSTURES_WITHIN:
        deployment = msgspec.structs.replace(LOCAL, posture=posture)
        document = routed(deployment, posture=Posture(use=use))
        turn = Facts(classification=Classification.PUBLIC, tenant="t", environment="dev")
        refused = refusal(deployment, document, turn)
        assert (refused is None) is (posture in POSTURES_WITHIN[use]), (use, posture)
