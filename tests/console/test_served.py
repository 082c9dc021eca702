# SPDX-License-Identifier: Apache-2.0
"""The console in a real server, on both stores: in through the door, one held call answered, out with the person."""

from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.console.holding import hold
from tests.console.house import proof_in, whole_in
from tests.gateway.running import LOCAL, Answer, Running, documents, running

from customhouse.access import people
from customhouse.access.people import NewPerson
from customhouse.app import installation
from customhouse.approvals.approval import Approval


async def asked(server: Running) -> Approval:
    """Hold a call as the gateway does, for Ola to answer."""
    async with installation(server.settings) as built:
        control, gateway = built.control, built.stores.gateway
        return await hold(control, database=gateway, approvers=("ola@acme.test",), environment="dev")


def post(server: Running, path: str, form: dict[str, str], cookie: str) -> Answer:
    """Send a form as a browser does that stands on a page of the console."""
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "sec-fetch-site": "same-origin",
        "origin": "null",
        "cookie": cookie,
    }
    return server.request("POST", path, urlencode(form).encode(), headers)


@pytest.mark.slow
@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_in_through_the_door_and_out_with_the_person(home: Path, store: str, request: pytest.FixtureRequest) -> None:
    database = "" if store == "sqlite" else str(request.getfixturevalue("postgres"))
    with running(home, documents("http://127.0.0.1:9"), database=database) as server:
        new = NewPerson(email="ola@acme.test", roles=("approver",))
        key = server.run(people.add(server.control, LOCAL, new, trace_id="t")).key
        held = server.run(asked(server))
        at = f"/approvals/{held.id}"
        assert server.request("GET", at).headers["location"] == f"/sign-in?to={at}"
        assert server.request("GET", at, headers={"host": "evil.test"}).status == 421
        entered = post(server, "/sign-in", {"key": key, "to": at}, "")
        assert (entered.status, entered.headers["location"]) == (303, at)
        cookie = entered.headers["set-cookie"].partition(";")[0]
        assert b"issue_refund" in server.request("GET", "/approvals", headers={"cookie": cookie}).body
        page = server.request("GET", at, headers={"cookie": cookie})
        form = {"proof": proof_in(page.body), "whole": whole_in(page.body), "reason": "ok", "verdict": "approve"}
        assert post(server, f"{at}/answer", form, cookie).status == 303
        assert b"approved, not used yet" in server.request("GET", at, headers={"cookie": cookie}).body
        server.run(people.revoke(server.control, LOCAL, "ola@acme.test", trace_id="t"))
        assert server.request("GET", at, headers={"cookie": cookie}).status == 303
        revoked = post(server, f"{at}/revoke", {"proof": form["proof"], "reason": "ok"}, cookie)
        assert revoked.status == 401
