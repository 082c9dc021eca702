# SPDX-License-Identifier: Apache-2.0
"""What a replica learns from how calls end, and that it never makes a deployment askable that was not selected."""

from contextlib import suppress
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.planes.model.moved_clock import MovedClock
from tests.planes.model.test_call import deployment

from customhouse.domain.errors import UpstreamFailed, UpstreamLimited, UpstreamRejected
from customhouse.domain.label import CLASSIFICATION_NAMES, classification
from customhouse.planes.model.breaker import FAILURES_TO_OPEN, FIRST_OPEN_S
from customhouse.planes.model.circuits import MAX_DEPLOYMENTS, MAX_SEEN, UNASKED_S, Circuits
from customhouse.planes.model.document import Choice, Deployment, Document, Posture
from customhouse.planes.model.select import Facts, Route
from customhouse.planes.model.substitution import Noticed, Seen

SMALL: Final = deployment("http://upstream.test/v1")
DOWN: Final = UpstreamFailed("it is down", reason="upstream.server_error")


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


def end(circuits: Circuits, asked: Deployment, error: BaseException | None = None) -> None:
    with suppress(UpstreamFailed, UpstreamRejected, GeneratorExit), circuits.calling(asked):
        if error is not None:
            raise error


def test_a_deployment_that_keeps_failing_is_left_alone_and_asked_again(clock: MovedClock) -> None:
    circuits = Circuits(clock)
    for _ in range(FAILURES_TO_OPEN):
        assert circuits.refusal(SMALL) is None
        end(circuits, SMALL, DOWN)
    refused = circuits.refusal(SMALL)
    assert refused is not None
    assert (refused.reason, refused.retry_after_s) == ("upstream.breaker_open", FIRST_OPEN_S)
    with pytest.raises(UpstreamFailed, match="left alone"), circuits.calling(SMALL):
        pytest.fail("it was asked")
    (trouble,) = circuits.troubles()
    assert trouble == ("local/small", "open", "upstream.server_error", clock.now_us(), clock.now_us() + 5_000_000)
    clock.move(FIRST_OPEN_S)
    with circuits.calling(SMALL):
        assert circuits.refusal(SMALL) is not None, "one at a time"
    assert circuits.refusal(SMALL) is None
    assert circuits.troubles() == ()


def test_who_is_left_alone_is_named_in_the_log_once(clock: MovedClock, caplog: pytest.LogCaptureFixture) -> None:
    circuits = Circuits(clock)
    for _ in range(FAILURES_TO_OPEN + 3):
        end(circuits, SMALL, DOWN)
    (said,) = caplog.messages
    assert said == "local/small has failed (upstream.server_error) and is left alone for 5 s"


def test_who_is_asked_no_more_is_not_listed_for_ever(clock: MovedClock) -> None:
    """After a release with another address or model nobody asks the old one, and no answer closes its breaker."""
    circuits = Circuits(clock)
    for _ in range(FAILURES_TO_OPEN):
        end(circuits, SMALL, DOWN)
    clock.move(FIRST_OPEN_S + UNASKED_S - 1)
    assert len(circuits.troubles()) == 1
    clock.move(1)
    assert circuits.troubles() == ()


def test_a_limit_stays_a_limit_for_who_is_told(clock: MovedClock) -> None:
    circuits = Circuits(clock)
    end(circuits, SMALL, UpstreamLimited(reason="upstream.limited", retry_after_s=20))
    clock.move(3)
    refused = circuits.refusal(SMALL)
    assert isinstance(refused, UpstreamLimited)
    assert (refused.reason, refused.retry_after_s) == ("upstream.breaker_open", 17)


@pytest.mark.parametrize(
    "error",
    [
        UpstreamRejected("too long"),
        UpstreamFailed("not there", reason="upstream.credential_missing"),
        UpstreamFailed("huge", reason="upstream.too_large"),
        UpstreamFailed("ignored", reason="upstream.tool_choice_ignored"),
        GeneratorExit(),
    ],
)
def test_what_the_request_or_the_client_did_opens_nothing(clock: MovedClock, error: BaseException) -> None:
    circuits = Circuits(clock)
    for _ in range(FAILURES_TO_OPEN * 3):
        end(circuits, SMALL, error)
    assert circuits.refusal(SMALL) is None


def test_a_probe_whose_client_leaves_does_not_shut_everybody_out(clock: MovedClock) -> None:
    circuits = Circuits(clock)
    for _ in range(FAILURES_TO_OPEN):
        end(circuits, SMALL, DOWN)
    clock.move(FIRST_OPEN_S)
    end(circuits, SMALL, GeneratorExit())
    assert circuits.refusal(SMALL) is None
    end(circuits, SMALL, UpstreamRejected("it is well enough to refuse"))
    assert circuits.troubles() == ()


def test_another_address_or_credential_begins_anew(clock: MovedClock) -> None:
    circuits = Circuits(clock)
    for _ in range(FAILURES_TO_OPEN):
        end(circuits, SMALL, DOWN)
    assert circuits.refusal(SMALL) is not None
    assert circuits.refusal(msgspec.structs.replace(SMALL, approved_by="dana@acme.test")) is not None
    assert circuits.refusal(msgspec.structs.replace(SMALL, api_key_file="new")) is None
    assert circuits.refusal(msgspec.structs.replace(SMALL, base_url="http://other.test/v1")) is None


def test_how_many_are_remembered_is_bounded(clock: MovedClock) -> None:
    circuits = Circuits(clock)
    for number in range(MAX_DEPLOYMENTS + 50):
        one = msgspec.structs.replace(SMALL, name=f"d{number}")
        for _ in range(FAILURES_TO_OPEN):
            end(circuits, one, DOWN)
    assert len(circuits.troubles()) == MAX_DEPLOYMENTS


def test_a_fingerprint_is_compared_with_the_last_one(clock: MovedClock) -> None:
    circuits = Circuits(clock)
    assert circuits.noticed(SMALL, "acme", Seen("m", "fp_1")) == Noticed()
    assert circuits.noticed(SMALL, "acme", Seen("m", None)) == Noticed()
    assert circuits.noticed(SMALL, "acme", Seen("m", "fp_2")) == Noticed(fingerprint_before="fp_1")
    assert circuits.noticed(SMALL, "acme", Seen("m", "fp_2")) == Noticed()


def test_what_a_provider_said_to_one_tenant_is_not_told_another(clock: MovedClock) -> None:
    circuits = Circuits(clock)
    circuits.noticed(SMALL, "acme", Seen("m", "acme's words"))
    assert circuits.noticed(SMALL, "bolt", Seen("m", "fp_1")) == Noticed()
    assert circuits.noticed(SMALL, "acme", Seen("m", "fp_1")) == Noticed(fingerprint_before="acme's words")


def test_how_many_answers_are_compared_with_is_bounded(clock: MovedClock) -> None:
    circuits = Circuits(clock)
    for number in range(MAX_SEEN + 1):
        circuits.noticed(SMALL, f"t{number}", Seen("m", "fp_1"))
    assert circuits.noticed(SMALL, "t0", Seen("m", "fp_2")) == Noticed(), "the oldest is forgotten"
    assert circuits.noticed(SMALL, f"t{MAX_SEEN}", Seen("m", "fp_2")) == Noticed(fingerprint_before="fp_1")


NAMES: Final = ("a", "b", "c")


@given(
    accepts=st.tuples(*(st.sampled_from(CLASSIFICATION_NAMES) for _ in NAMES)),
    turn=st.sampled_from(CLASSIFICATION_NAMES),
    failing=st.lists(st.sampled_from(NAMES), max_size=40),
    waits=st.lists(st.integers(0, 30), max_size=5),
)
def test_a_breaker_only_takes_away(accepts: tuple[str, ...], turn: str, failing: list[str], waits: list[int]) -> None:
    """Whatever fails, in whichever order: who is asked is among those whom the data's class allows, in their order."""
    clock = MovedClock()
    circuits = Circuits(clock)
    deployments = {
        name: msgspec.structs.replace(SMALL, name=name, accepts=level)
        for name, level in zip(NAMES, accepts, strict=True)
    }
    document = Document(deployments=deployments, route=(Choice(use=NAMES),), posture=Posture(use="self_hosted"))
    level = classification(turn)
    assert level is not None
    selected = Route(document).select(Facts(level, "default", "dev")).deployments
    for name in failing:
        end(circuits, deployments[name], DOWN)
    for seconds in waits:
        clock.move(seconds)
    asked = tuple(each for each in selected if circuits.refusal(each) is None)
    assert [each for each in selected if each in asked] == list(asked)
    assert all(level <= (classification(each.accepts) or level) for each in asked)
