# SPDX-License-Identifier: Apache-2.0
"""Every metric by name: what kind it is, its labels, and what it says. docs/reference/metrics.md is made from this.

Rules kept: no label holds what a tenant, a person, a client or a model chose. Labels are words of this table, of our
own closed lists (errors, reasons, evidence kinds), or names that a release declares; anything else is `other`.

Story: Mallory makes a model call a tool named after a customer, ten thousand times with ten thousand names. The metric
has one series more: the reason `tool.not_granted`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

OTHER: Final = "other"
"""The label of what is not declared."""
MAX_DECLARED: Final = 1000
"""Assistants, and deployments, that get series of their own in one process; further ones are `other`."""


class Declared(NamedTuple):
    """A metric: its kind, its labels, and one or two sentences."""

    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    text: str


METRICS: Final[Mapping[str, Declared]] = MappingProxyType(
    {
        # turns
        "customhouse_turns_total": Declared(
            "counter",
            ("assistant", "environment", "outcome", "status"),
            "Turns that ended, by outcome (answered, fallback, refused, failed, client_left) and class of the HTTP "
            "status (none: nothing was sent). A turn without a recognised key has the assistant `other`.",
        ),
        "customhouse_turn_errors_total": Declared(
            "counter", ("code",), "Errors that clients were told, by code (docs/reference/errors.md)."
        ),
        "customhouse_turns_over_budget_total": Declared(
            "counter",
            ("of", "per", "amount"),
            "Turns that a limit had no room for, by the limit: of whom (key, assistant, tenant), per which window, and "
            "which amount (requests, tokens, money).",
        ),
        "customhouse_turn_duration_seconds": Declared(
            "histogram", ("outcome",), "How long turns took, from the request's head to the last byte handed over."
        ),
        "customhouse_turn_step_duration_seconds": Declared(
            "histogram",
            ("step",),
            "How long the steps of turns took: identity, render, record (the first durable write), model, permit, "
            "evidence (the last durable write). `server-timing` says the same of one turn.",
        ),
        "customhouse_turns_in_flight": Declared("gauge", (), "Turns that are being answered."),
        "customhouse_turns_limit": Declared("gauge", (), "The setting max_turns: one turn more is refused with 429."),
        # models and tools
        "customhouse_model_calls_total": Declared(
            "counter",
            ("deployment", "outcome", "reason"),
            "Calls of models whose outcome is known: complete, partial (the client left) or failed, with the reason.",
        ),
        "customhouse_model_tokens_total": Declared(
            "counter", ("deployment", "direction"), "Tokens that providers counted: input and output."
        ),
        "customhouse_model_changes_total": Declared(
            "counter",
            ("deployment", "what"),
            "Answers of another model than the one that was asked for (model), or with another fingerprint than the "
            "deployment's last answer to the same tenant in this process (fingerprint). `trace` has both names.",
        ),
        "customhouse_deployments_left_alone": Declared(
            "gauge",
            ("deployment", "reason"),
            "1 while this replica does not ask a deployment, or has just begun to again, with the reason.",
        ),
        "customhouse_credentials_failing": Declared(
            "gauge", (), "Credentials of providers that could not be renewed when this replica last tried."
        ),
        "customhouse_tool_decisions_total": Declared(
            "counter",
            ("outcome", "reason"),
            "Decisions on proposed tool calls: allow, hold or deny, with the first reason (docs/reference/reasons.md).",
        ),
        "customhouse_ticket_redemptions_total": Declared(
            "counter",
            ("outcome",),
            "Redemptions of tickets, by outcome: accepted, or the code that refused it (a reason of tickets such as "
            "ticket.expired, ticket.used, or an error such as gateway.overloaded). A refused call was tried again, or "
            "did not go through the gateway.",
        ),
        # people
        "customhouse_notifications_total": Declared(
            "counter",
            ("channel", "outcome"),
            "Messages about approvals that wait, by channel (slack, smtp, webhook) and by what became of them: sent, "
            "refused, unreachable, late (no answer in time), unready (its secret could not be read). What was not sent "
            "is tried again.",
        ),
        # evidence
        "customhouse_evidence_records_total": Declared(
            "counter",
            ("kind", "where"),
            "Records of turns, by kind and by what became of them: durable in the database, durable in the local "
            "spool, skipped (mode open), or refused.",
        ),
        "customhouse_evidence_acknowledgement_seconds": Declared(
            "histogram", ("where",), "How long turns waited until records were durable: in the database, in the spool."
        ),
        "customhouse_evidence_staged_records": Declared(
            "gauge", (), "Records that are durable and wait for their place in a log. 0 on SQLite."
        ),
        "customhouse_evidence_staged_oldest_seconds": Declared(
            "gauge", (), "Age of the oldest record that waits for its place."
        ),
        "customhouse_ledger_state": Declared(
            "gauge", ("state",), "1 for the state of this replica's ledger: ok, refusing, spooling or open."
        ),
        "customhouse_ledger_undeclared_refusals": Declared(
            "gauge", (), "Appends that were refused and are not declared yet."
        ),
        "customhouse_ledger_undeclared_records": Declared(
            "gauge", (), "Records that were skipped (mode open) and are not declared yet."
        ),
        "customhouse_ledger_undeclared_gaps": Declared("gauge", (), "Gaps marked on the local disk, not declared yet."),
        "customhouse_ledger_gaps_declared_total": Declared(
            "counter", (), "Records gap.declared that this replica wrote."
        ),
        "customhouse_spool_entries": Declared("gauge", (), "Entries that wait in the local spool."),
        "customhouse_spool_bytes": Declared("gauge", (), "Bytes that wait in the local spool."),
        "customhouse_spool_limit_bytes": Declared("gauge", (), "The setting spool_max_bytes."),
        "customhouse_spool_oldest_seconds": Declared("gauge", (), "Age of the oldest entry of the local spool."),
        "customhouse_spool_rejected_files": Declared(
            "gauge", (), "Spool files that were altered, and whose entries are not in the ledger."
        ),
        # what is in force
        "customhouse_generation": Declared(
            "gauge", ("name",), "What is in force here: the generation of each environment, of switches and of access."
        ),
        "customhouse_generation_newest": Declared(
            "gauge", ("name",), "The newest generations, as the database said when it was asked for this answer."
        ),
        "customhouse_snapshot_age_seconds": Declared(
            "gauge", (), "Since pins and switches were last confirmed with the database."
        ),
        "customhouse_credentials_age_seconds": Declared(
            "gauge", (), "Since keys and people were last confirmed with the database."
        ),
        "customhouse_assistants_in_force": Declared(
            "gauge", ("environment",), "Assistants whose release is verified and in force."
        ),
        "customhouse_assistants_refused": Declared(
            "gauge", ("environment",), "Assistants that have pins and are not served: verification failed."
        ),
        "customhouse_switches_standing": Declared("gauge", ("kind",), "Switches that stand, by kind of scope."),
        # replicas and the database
        "customhouse_replicas_live": Declared("gauge", (), "Replicas that may answer turns, as the database has them."),
        "customhouse_sequencer_leading": Declared("gauge", (), "1 while this replica is the sequencer."),
        "customhouse_sequencer_epoch": Declared("gauge", (), "The epoch under which this replica leads, or 0."),
        "customhouse_sequencer_placed_total": Declared(
            "counter", (), "Records that this replica gave their places, as sequencer."
        ),
        "customhouse_database_up": Declared("gauge", (), "1 when the database answered the question for this answer."),
        "customhouse_database_works_queued": Declared(
            "gauge", ("role",), "Transactions of this process that wait or run, by role of the connection."
        ),
        # telemetry itself
        "customhouse_spans_exported_total": Declared("counter", (), "Spans that the OTLP endpoint accepted."),
        "customhouse_spans_dropped_total": Declared(
            "counter",
            ("reason",),
            "Spans that were lost: the queue was full, or the endpoint refused or did not answer.",
        ),
        "customhouse_build_info": Declared("gauge", ("version",), "Always 1; says which version runs."),
        # the process: prometheus-client's own collector, under the names that dashboards know
        "process_virtual_memory_bytes": Declared("gauge", (), "Virtual memory of the process."),
        "process_resident_memory_bytes": Declared("gauge", (), "Resident memory of the process (RSS)."),
        "process_start_time_seconds": Declared("gauge", (), "When the process started, in seconds since 1970."),
        "process_cpu_seconds_total": Declared("counter", (), "CPU time that the process has used, user and system."),
        "process_open_fds": Declared("gauge", (), "Open files and connections of the process."),
        "process_max_fds": Declared("gauge", (), "How many the process may have open."),
    }
)
"""The table. `telemetry/families.py` makes nothing that does not stand here."""
