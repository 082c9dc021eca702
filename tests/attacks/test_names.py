# SPDX-License-Identifier: Apache-2.0
"""Attacks by a name: an application says for whom it asks, and nobody has proved it.

Ola may approve refunds. Her application could ask for one on behalf of `user:mia`, and Ola would say yes to herself.
So people are asked about a call for somebody who is proved, or for nobody in particular; and what is no proof is not
taken for a name either. Every try is made in each dialect, whole and streamed.
"""

import http.client
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import pytest
from tests.access.signer import EC, token
from tests.gateway.running import GRANTS, Answer
from tests.gateway.tongues import TONGUES, Tongue
from tests.gateway.waiting import ON_BEHALF_OF, TOOLS, Desk, proved, refunds, waiting

from customhouse.domain.decision import REASONS
from customhouse.domain.message import DialectName
from customhouse.planes.tools.document import Approval, Grant
from customhouse.planes.tools.document import Document as ToolsDocument

NOT_PROVED: Final = "tool.subject_not_verified"
WAYS: Final = [(name, stream) for name in TONGUES for stream in (False, True)]
WAY_IDS: Final = [f"{name}-{'streamed' if stream else 'whole'}" for name, stream in WAYS]
TRUE: Final = proved("lee")[ON_BEHALF_OF]
IRREVERSIBLE: Final = refunds(grants={**GRANTS, "issue_refund": Grant(permission="allow", effect="irreversible")})


def ask(desk: Desk, tongue: Tongue, names: Sequence[str], *, stream: bool) -> Answer:
    """Ask for the held call, with the header once for each of `names`."""
    body = json.dumps(tongue.first(tools=TOOLS, stream=stream)).encode()
    connection = http.client.HTTPConnection("127.0.0.1", desk.gateway.port, timeout=30)
    try:
        connection.putrequest("POST", tongue.path)
        for name, value in (
            ("authorization", f"Bearer {desk.gateway.key}"),
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            *((ON_BEHALF_OF, each) for each in names),
        ):
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        told = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, told, response.read())
    finally:
        connection.close()


def people_asked(desk: Desk) -> int:
    return len(desk.gateway.rows("SELECT id FROM approval"))


@pytest.mark.parametrize(("dialect", "stream"), WAYS, ids=WAY_IDS)
@pytest.mark.parametrize("policy", [refunds(), IRREVERSIBLE], ids=["approve", "irreversible"])
def test_nobody_is_asked_on_behalf_of_a_name(
    home: Path, policy: ToolsDocument, dialect: DialectName, *, stream: bool
) -> None:
    tongue = TONGUES[dialect]
    with waiting(home, policy) as desk:
        answer = ask(desk, tongue, ["user:mia"], stream=stream)
        assert answer.status == 200, answer.body
        heard = tongue.hear(answer)
        assert [name for _, name, _ in heard.calls] == ["get_order_status"], "what needs nobody goes on"
        (notice,) = heard.receipt["decisions"]
        assert (notice["code"], notice["outcome"]) == (NOT_PROVED, "deny")
        assert f"The call to issue_refund was refused: {REASONS[NOT_PROVED]}" in heard.text
        assert b"/approvals/" not in answer.body
        records = desk.gateway.records(answer.headers["customhouse-trace-id"])
        decided = [each["decision"] for each in records if each["kind"] == "tool.decided"]
        assert {"outcome": "deny", "reasons": [NOT_PROVED]} in [
            {name: each[name] for name in ("outcome", "reasons")} for each in decided
        ]
        assert "approval.requested" not in [each["kind"] for each in records]
        assert not people_asked(desk)


@pytest.mark.parametrize(("dialect", "stream"), WAYS, ids=WAY_IDS)
def test_who_is_proved_waits_and_so_does_nobody_in_particular(
    home: Path, dialect: DialectName, *, stream: bool
) -> None:
    tongue = TONGUES[dialect]
    with waiting(home) as desk:
        for count, names in enumerate(([TRUE], []), start=1):
            (notice,) = tongue.hear(ask(desk, tongue, names, stream=stream)).receipt["decisions"]
            assert notice["outcome"] == "hold"
            assert people_asked(desk) == count


FORGED: Final[list[tuple[str, list[str], int]]] = [
    # what is tried, the headers, the status
    ("a name and then a token", ["user:mia", TRUE], 400),
    ("a token and then a name", [TRUE, "user:mia"], 400),
    ("a token twice", [TRUE, TRUE], 400),
    ("empty", [""], 403),
    ("a space", [" "], 403),
    ("a name with a space within", ["user:mia user:lee"], 403),
    ("two names", ["user:mia, user:lee"], 403),
    ("a token after a scheme", [f"Bearer {TRUE}"], 403),
    ("a token with its last part cut off", [TRUE.rpartition(".")[0] + "."], 403),
    ("a token and a name in one", [f"{TRUE},user:mia"], 403),
    ("of another key", [token({"iss": "https://id.acme.test", "sub": "mia"}, EC, alg="ES256", kid="ec")], 403),
    ("unsigned, and a subject that is a grant", [token({"sub": "user:mia"}, None, alg="none")], 403),
    ("signed with a word", [token({"sub": "mia"}, b"secret", alg="HS256")], 403),
    ("expired", proved("lee", exp=1)[ON_BEHALF_OF].split(), 403),
    ("for somebody else to read", proved("lee", aud="elsewhere")[ON_BEHALF_OF].split(), 403),
]


@pytest.mark.parametrize(("dialect", "stream"), WAYS, ids=WAY_IDS)
def test_what_is_no_proof_is_no_name_either(home: Path, dialect: DialectName, *, stream: bool) -> None:
    tongue = TONGUES[dialect]
    with waiting(home) as desk:
        for what, names, status in FORGED:
            answer = ask(desk, tongue, names, stream=stream)
            assert answer.status == status, (what, answer.body)
        assert not desk.upstream.requests, "no model was asked"
        assert not people_asked(desk)


def test_an_exception_to_asking_spares_the_call_as_before(home: Path) -> None:
    spared = msgspec.structs.replace(
        refunds().grants["issue_refund"], effect="write", approval=Approval(unless="args.order_id == 'A-1001'")
    )
    with waiting(home, refunds(grants={**GRANTS, "issue_refund": spared})) as desk:
        heard = TONGUES["openai_chat"].hear(ask(desk, TONGUES["openai_chat"], ["user:mia"], stream=False))
        assert [name for _, name, _ in heard.calls] == list(TOOLS)
