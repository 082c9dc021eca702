# SPDX-License-Identifier: Apache-2.0
"""Names inside documents: what would break a header, a record or a line of a terminal is refused, field by field."""

from dataclasses import replace

import msgspec
import pytest
from tests.rollout.yard import CHARTER, READ, documents

from customhouse.planes.model.document import Azure, Weights
from customhouse.planes.prompt.document import Variable
from customhouse.planes.tools.document import Approval, Grant
from customhouse.registry.charter import Charter
from customhouse.registry.documents import Documents
from customhouse.rollout.names import MAX_FALLBACK_CHARACTERS, MAX_ON_CALL_CHARACTERS, misnamed

GOOD = documents()
SMALL = GOOD.model.deployments["small"]
ESCAPES = "small\x1b[2J"
"""A name that clears the terminal of whoever reviews it."""


def deployed(**fields: object) -> Documents:
    """Return documents whose deployment has other fields."""
    other = msgspec.structs.replace(SMALL, **fields)
    return replace(GOOD, model=msgspec.structs.replace(GOOD.model, deployments={other.name: other}))


def charter(**fields: object) -> Charter:
    """Return the charter with other fields."""
    return msgspec.structs.replace(CHARTER, **fields)


@pytest.mark.parametrize(
    ("given", "terms", "what"),
    [
        *((deployed(name=name), CHARTER, "a deployment's name") for name in ("", "a b", "a\r\nset-cookie: x", ESCAPES)),
        (deployed(name="small\n"), CHARTER, "a deployment's name"),
        (deployed(name="x" * 65), CHARTER, "a deployment's name"),
        (deployed(provider="local\r\nx: y"), CHARTER, "a provider's name"),
        (deployed(provider="local/other"), CHARTER, "a provider's name"),
        (deployed(model="x" * 129), CHARTER, "a model's name"),
        (deployed(model="smol\n"), CHARTER, "a model's name"),
        (deployed(region="eu\n"), CHARTER, "a region"),
        (deployed(base_url="http://a.test/\n"), CHARTER, "an address"),
        (deployed(api_key_env="KEY\n"), CHARTER, "a credential's name"),
        (deployed(api_key_file="key\n"), CHARTER, "a credential's name"),
        (deployed(api_key_command="x" * 65), CHARTER, "a credential's name"),
        (deployed(azure=Azure(api_version="v1&x=y")), CHARTER, "an API version"),
        (deployed(weights=Weights(digest="sha256:" + "a" * 9000, source="s")), CHARTER, "a digest of weights"),
        (deployed(approved_by="dana\u202etset.emca"), CHARTER, "who approved a deployment"),
        (replace(GOOD, model=msgspec.structs.replace(GOOD.model, aliases=("a\n",))), CHARTER, "an alias"),
        (replace(GOOD, prompt=msgspec.structs.replace(GOOD.prompt, source="p\n.md")), CHARTER, "a prompt's file"),
        (
            replace(GOOD, prompt=msgspec.structs.replace(GOOD.prompt, variables={"X y": Variable()})),
            CHARTER,
            "a variable's name",
        ),
        (documents(tools={"a.b": READ}), CHARTER, "a tool's name"),
        (documents(tools={"a\n": READ}), CHARTER, "a tool's name"),
        (
            documents(
                tools={"a": Grant(permission="approve", effect="write", approval=Approval(approvers=("o\x00@a.test",)))}
            ),
            CHARTER,
            "an approver",
        ),
        (replace(GOOD, tools=msgspec.structs.replace(GOOD.tools, servers={"a b": "x"})), CHARTER, "a tool server's"),
        (replace(GOOD, tools=msgspec.structs.replace(GOOD.tools, workflows={"a b": ()})), CHARTER, "a workflow's"),
        (documents(sources={"a b": "{}"}), CHARTER, "a source's name"),
        (documents(safety="de fault"), CHARTER, "a safety policy's name"),
        (replace(GOOD, safety=msgspec.structs.replace(GOOD.safety, residency=("e u",))), CHARTER, "a region"),
        (GOOD, charter(owner="dana@acme.test\n"), "a person"),
        (GOOD, charter(groups={"re\tfunds": ()}), "a group"),
        (GOOD, charter(groups={"refunds": (ESCAPES,)}), "a member of a group"),
        (GOOD, charter(regulation=("g d p r",)), "a regulation"),
        (GOOD, charter(on_call="x" * (MAX_ON_CALL_CHARACTERS + 1)), "the on-call path"),
        (GOOD, charter(fallback="x" * (MAX_FALLBACK_CHARACTERS + 1)), "the fallback answer"),
        (GOOD, charter(fallback=ESCAPES), "the fallback answer"),
        (GOOD, charter(purpose=ESCAPES), "the purpose"),
    ],
)
def test_a_name_that_would_break_something_is_refused(given: Documents, terms: Charter, what: str) -> None:
    problem = misnamed(given, terms)
    assert problem is not None
    assert problem.startswith(what)
    assert problem.isascii(), "the message itself must be harmless"
    assert problem.isprintable()


def test_what_manifests_use_is_accepted() -> None:
    given = deployed(model="org/Model-7B:Q4_K_M@sha", region="eu-west-1", api_key_env="OPENAI_API_KEY")
    assert misnamed(given, charter(fallback="Sorry.\n\nPlease call us soon.", purpose="Orders")) is None
    assert misnamed(GOOD, CHARTER) is None
