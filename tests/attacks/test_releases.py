# SPDX-License-Identifier: Apache-2.0
"""Attacks on the release of a held call, one file each, over a socket, whole and streamed.

A file says what happened since the call was held (`before`), how the repeat differs, and how it is refused. After each
of them nothing has left that was not approved, no model was asked, and where the yes still stands the honest repeat
gets its call: nothing was burnt.
"""

import http.client
import json
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from tests.attacks.test_switches import acknowledged, lifted, thrown
from tests.gateway.running import BOT, GRANTS, LOCAL, Answer, create_key, documents
from tests.gateway.tongues import TONGUES
from tests.gateway.waiting import APPROVER, CAPTAIN, ON_BEHALF_OF, TOOLS, Desk, proved, refunds, waiting

from customhouse.access import keys, people
from customhouse.access.keys import NewKey
from customhouse.domain.principal import Actor
from customhouse.planes.model.document import Parameters
from customhouse.planes.tools.document import Approval, Grant
from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.registry.charter import Charter
from customhouse.registry.environment import EnvironmentName
from customhouse.rollout.release import release
from customhouse.rollout.submission import Submission, SubmittedDocuments

Json = dict[str, Any]
ATTACKS: Final = sorted(Path(__file__).parent.glob("release-*.json"))
YES: Final = {"do": "approve", "actor": "captain"}
CHAT: Final = TONGUES["openai_chat"]
NAMES: Final = {"captain": CAPTAIN, "approver": APPROVER}
REFUND: Final = GRANTS["issue_refund"]


class Story:
    """One held call, what was asked for it, and what happens next."""

    def __init__(self, desk: Desk, told: Json, *, stream: bool) -> None:
        self.desk: Final = desk
        self.gateway: Final = desk.gateway
        self.policy: Final = policy(told)
        self.body: Final = CHAT.first(tools=TOOLS, stream=stream)
        self.headers: Final[Json] = told.get("held", {})
        self.key: Final = self.made(told.get("held_key"))
        self.first: Final = self.send(CHAT.path, self.body, self.headers, self.key)
        ((notice),) = CHAT.hear(self.first).receipt["decisions"]
        self.id: Final[str] = notice["id"]
        self.switch = 0
        self.released: list[bytes] = []

    def made(self, name: str | None) -> str:
        """Return a key: the application's own, or another one."""
        create = create_key
        match name:
            case None:
                return self.gateway.key
            case "two":
                key = self.gateway.run(create(self.gateway.control, tenants=("default", "bolt")))
            case "prod":
                key = self._key(LOCAL, "production")
            case "captains":
                key = self._key(Actor(CAPTAIN, "person", frozenset({"captain"})), "dev")
            case _:
                key = self.gateway.run(create(self.gateway.control, delegate=("user:*",)))
        while self.send("/v1/models", None, {"customhouse-tenant": "default"}, key).status == 401:
            pass
        return key

    def _key(self, actor: Actor, environment: EnvironmentName) -> str:
        new = NewKey(assistant=BOT, environment=environment, tenants=("default",), delegate=())
        made = keys.create(self.gateway.control, actor, new, lambda _tx, _name: frozenset((CAPTAIN,)), trace_id="t")
        return self.gateway.run(made).token

    def send(self, path: str, body: object, headers: Json, key: str, *approvals: str) -> Answer:
        """Send a request in which a header may stand twice."""
        sent = {"authorization": f"Bearer {key}", "content-type": "application/json", **spoken(headers)}
        content = b"" if body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=30)
        try:
            connection.putrequest("GET" if body is None else "POST", path)
            for name, value in (*sent.items(), *(("customhouse-approval", each) for each in approvals)):
                if value is not None:
                    connection.putheader(name, value)
            connection.putheader("content-length", str(len(content)))
            connection.endheaders(content)
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, told, response.read())
        finally:
            connection.close()

    def repeat(self) -> Answer:
        """Ask the same again, honestly."""
        return self.send(CHAT.path, self.body, self.headers, self.key, self.id)

    def attack(self, how: Json) -> Answer:
        """Ask again as the attack has it."""
        body: Json = how.get("only") or {**self.body, **how.get("body", {})}
        if "tools" in how:
            body["tools"] = CHAT.first(tools=how["tools"])["tools"]
        if "append" in how:
            body["messages"] = [*body["messages"], how["append"]]
        if how.get("flip_stream"):
            body["stream"] = not body.get("stream", False)
        if how.get("plain"):
            body = {name: value for name, value in body.items() if name not in {"tools", "stream_options"}}
        trace = self.first.headers["customhouse-trace-id"]
        said: str = how.get("approval", self.id)
        said = {"upper": self.id.upper(), "trace": trace, "two": f"{self.id},{self.id}"}.get(said, said)
        approvals = (said, said) if how.get("twice") else (said,)
        key = self.made(how["key"]) if "key" in how else self.key
        return self.send(how.get("path", CHAT.path), body, {**self.headers, **how.get("headers", {})}, key, *approvals)

    def do(self, step: Json) -> None:
        """Let something happen."""
        match step:
            case {"do": "approve" | "deny" | "revoke" as verdict, "actor": name}:
                self._said(verdict, name, step.get("refused"))
            case {"do": "time over"}:
                self.gateway.alter("UPDATE approval SET expires_at_us = requested_at_us + 1")
            case {"do": "repeat"}:
                given = self.repeat()
                assert given.status == 200, given.body
                self.released.append(given.body)
            case {"do": "release", "what": what}:
                self._publish(changed(self.desk, self.policy, what))
            case {"do": "charter", "groups": groups}:
                self._publish(documents(self.desk.upstream.base_url, ("held",), tools=self.policy), groups)
            case {"do": "dismiss", "actor": name}:
                self.gateway.run(people.revoke(self.gateway.control, LOCAL, NAMES[name], trace_id="t"))
            case {"do": "throw", "scope": scope}:
                self.switch = thrown(self.gateway, scope)
            case other:
                raise AssertionError(f"no step {other}")

    def _said(self, verdict: str, name: str, refused: str | None) -> None:
        self.desk.keys["application"] = self.gateway.key
        answer = self.desk.say(NAMES.get(name, name), self.id, verdict)
        found = None if answer.status == 200 else answer.json["code"]
        assert found == refused, answer.body

    def _publish(self, submitted: SubmittedDocuments, groups: Json | None = None) -> None:
        chartered(self.desk, submitted, groups or {})

    def passed(self) -> int:
        """Return how often the held tool is on record as passed."""
        found = self.gateway.rows("SELECT canonical FROM evidence WHERE kind = ?", "tool.passed")
        return sum(json.loads(row[0])["tool"]["name"] == "issue_refund" for row in found)


def spoken(headers: Json) -> Json:
    """Return headers with a token in the place of whom a file says to be proved."""
    said: str = headers.get(ON_BEHALF_OF) or ""
    return {**headers, **proved(said.removeprefix("proved:"))} if said.startswith("proved:") else headers


def policy(told: Json) -> ToolsDocument:
    """Return a policy with the approvers that the attack has."""
    if "approvers" not in told:
        return refunds()
    rule = Approval(approvers=tuple(told["approvers"]), quorum=told.get("quorum", 1))
    return ToolsDocument(grants={**GRANTS, "issue_refund": msgspec.structs.replace(REFUND, approval=rule)})


def changed(desk: Desk, tools: ToolsDocument, what: str) -> SubmittedDocuments:
    """Return the five documents with something else in one of them."""
    url, models = desk.upstream.base_url, ("held",)

    def granted(name: str, grant: Grant) -> SubmittedDocuments:
        return documents(url, models, tools=msgspec.structs.replace(tools, grants={**tools.grants, name: grant}))

    match what:
        case "nothing":
            return documents(url, models, tools=tools)
        case "prompt":
            return documents(url, models, tools=tools, prompt="You answer in many words.")
        case "model":
            return documents(url, models, tools=tools, parameters=Parameters(temperature="0.3"))
        case "safety":
            return documents(url, models, tools=tools, floor="public")
        case "tool-definition":
            return granted("issue_refund", msgspec.structs.replace(REFUND, description="Pays a customer back."))
        case "tool-denied":
            return granted("issue_refund", msgspec.structs.replace(REFUND, permission="deny"))
        case "tool-grant-of-another-tool":
            return granted("search_help_center", Grant(permission="deny", effect="read"))
        case "approvers":
            return granted("issue_refund", msgspec.structs.replace(REFUND, approval=Approval(approvers=(APPROVER,))))
        case other:
            raise AssertionError(f"no change {other}")


def chartered(desk: Desk, submitted: SubmittedDocuments, groups: Json) -> None:
    """Release with a charter that has these groups; return when it is in force."""
    gateway = desk.gateway
    members = {name: tuple(each) for name, each in groups.items()}
    charter = Charter(owner=CAPTAIN, on_call="support-oncall", fallback="Please see help.acme.test.", groups=members)
    submission = Submission(
        assistant=BOT, documents=submitted, charter=charter, notes="test", git_commit=None, environment="dev"
    )
    done = gateway.run(release(gateway.control, LOCAL, gateway.control.clock.uuid7(), submission))
    if done.outcome is not None and done.outcome.moved is not None:
        acknowledged(gateway, "dev", done.outcome.moved.generation)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda path: path.stem)
def test_no_yes_releases_anything_else(home: Path, attack: Path, *, stream: bool) -> None:
    told: Json = json.loads(attack.read_text(encoding="utf-8"))
    expected: Json = told["expected"]
    with waiting(home, policy(told)) as desk:
        if "groups" in told:
            chartered(desk, documents(desk.upstream.base_url, ("held",), tools=policy(told)), told["groups"])
        story = Story(desk, told, stream=stream)
        for step in told["before"]:
            story.do(step)
        answer = story.attack(told["repeat"])
        if expected["status"] == 200:
            assert answer.status == 200, answer.body
            return
        error: Json = answer.json["error"]
        assert (answer.status, error.get("code", error["type"])) == (expected["status"], expected["code"]), told[
            "story"
        ]
        assert answer.headers.get("x-should-retry") == expected.get("should_retry", "false")
        assert b"A-1001" not in answer.body, "nothing of the call is in a refusal"
        assert story.passed() == min(len(story.released), 1)
        assert len(desk.upstream.requests) == 1, "no model was asked"
        if told.get("after", {}).get("lift"):
            lifted(desk.gateway, story.switch)
        if "after" in told or (told["before"] == [YES] and expected["code"] != "approval.pending"):
            assert story.repeat().status == 200, "the yes is not burnt"
            assert story.passed() == 1


def test_there_are_enough_of_them() -> None:
    assert len(ATTACKS) > 50
