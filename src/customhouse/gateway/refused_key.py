# SPDX-License-Identifier: Apache-2.0
"""The record of a good key that asked for more than it was created with; it belongs to no turn."""

from customhouse.access.credentials import ApiKey
from customhouse.domain.clock import Clock, rfc3339
from customhouse.domain.errors import CustomhouseError
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import ORGANIZATION, Record, Ruling, Subject


def key_refused(clock: Clock, trace_id: str, key: ApiKey, problem: CustomhouseError) -> Entry:
    """Record that a recognised key asked for a tenant or a delegation that it was not created with."""
    record = Record(
        v=1,
        id=clock.uuid7(),
        tenant=ORGANIZATION,
        trace_id=trace_id,
        kind="request.refused",
        at=rfc3339(clock.now_us()),
        principal=Subject(key=key.id, environment=key.environment),
        assistant=key.assistant,
        decision=Ruling(outcome="deny", reasons=(problem.code,)),
        outcome="refused",
    )
    return Entry(record, references=(key.id,))
