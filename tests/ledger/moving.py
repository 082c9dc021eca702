# SPDX-License-Identifier: Apache-2.0
"""A home whose SQLite database has rows in every table: releases, changes, holds, switches, people, keys, turns."""

import asyncio
from pathlib import Path
from typing import Final

import apsw
from tests.cli.shop import shop
from tests.cli.test_changes import GROUPS, RULE
from tests.ledger.book import CLOCK, ROOT, Book, open_book, record

from customhouse.ledger import partition
from customhouse.ledger.entry import Entry

TODAY: Final = partition.day_of_us(CLOCK.now_us())
AGES: Final = (0, 1, 40, 183, 399, 500)
"""Days ago; the last one is too old for partitions of its own."""
CALL: Final = "call_\x00seven"
"""An id that a model chose, as the first version kept it."""


def trace_of(days_ago: int, number: int = 0) -> str:
    """Return a trace id of a day."""
    return f"{partition.first_id(TODAY - days_ago)}-7000-8000-{number:012x}"


def furnish(home: Path) -> None:
    """Make the home."""
    with shop(home) as opened:
        opened.release()
        opened.write(prompt="Worse.\n")
        opened.release()
        for reason in ("it babbles", "it still does"):
            opened.good("ola", "rollback", "support", "--plane", "prompt", "--reason", reason)
            opened.good("dana", "holds", "lift", "1" if reason == "it babbles" else "2", "--reason", "looked at")
            opened.good("dana", "promote", "support@2", "-e", "dev")
        opened.write(policy=GROUPS + RULE % "group:refunds")
        opened.release()
        opened.refused("dana", "promote", "support@3", "-e", "production")
        (change,) = opened.json("ola", "changes", "list")["changes"]
        opened.good("ola", "changes", "approve", change["id"], "--reason", "read it")
        opened.good("ola", "switch", "on", "tool:refund", "--reason", "fire")
        opened.good("ola", "switch", "on", "tenant:bolt", "--reason", "also fire")
        opened.refused("ola", "switch", "off", "tenant:bolt", "--reason", "out")
        (change,) = opened.json("ola", "changes", "list")["changes"]
        opened.good("dana", "changes", "approve", change["id"], "--reason", "it is out")
        opened.good("dana", "keys", "create", "--assistant", "support", "--note", "für Grüße ☃")
    asyncio.run(_turns(home / "customhouse.db"))
    (home / "keys").mkdir(mode=0o700, exist_ok=True)
    (home / "keys" / "root.key").write_text(ROOT.hex() + "\n", encoding="ascii")
    (home / "keys" / "root.key").chmod(0o600)


async def _turns(path: Path) -> None:
    async with open_book(path) as book:
        for tenant in ("acme", "bolt"):
            for age in AGES:
                await _turn(book, tenant, trace_of(age), closed=age > 0)
    connection = apsw.Connection(str(path))
    connection.execute("INSERT INTO reference VALUES ('acme', ?, ?)", (CALL, trace_of(1)))
    now_us = CLOCK.now_us()
    connection.execute(
        "INSERT INTO budget_window VALUES ('acme', 'dev', 'support', 'key_7', 'day', ?, ?, 3, 120, 40, 9, 4, 5)",
        (now_us, now_us + 86_400_000_000),
    )
    connection.execute(
        "INSERT INTO approval VALUES ('acme', 'a1', 'dev', 'support', ?, ?, 'refund', 'd', 'irreversible', 'b', 'd',"
        " 'key_7', 'dana@acme.test', 'user:42', 'asserted', '[]', '[]', 1, ?, ?, 17, 'requested',"
        " NULL, NULL)",
        (trace_of(1), CALL.replace("\x00", "\ufffd"), now_us, now_us + 900_000_000),
    )
    connection.execute("INSERT INTO approval_answer VALUES ('acme', 'a1', 'ola@acme.test', 'deny', 'no', ?)", (now_us,))
    connection.execute("INSERT INTO ticket_redemption VALUES ('acme', ?, ?, ?)", (CLOCK.uuid7(), now_us, now_us))
    connection.execute("INSERT INTO notification VALUES ('acme', 'a1', 'smtp', 'reminder', 2, ?)", (now_us,))
    connection.close()


async def _turn(book: Book, tenant: str, trace_id: str, *, closed: bool) -> None:
    """Write a turn; one that is not closed has a call whose outcome nobody knows."""
    key, span = await book.ledger.tenant_key(tenant), CLOCK.uuid7()
    sealed = key.seal(trace_id, "request", f"where is {tenant}'s order".encode())
    accepted = record("request.accepted", tenant, trace_id, commitments={"request": sealed.commitment})
    await book.ledger.append([Entry(accepted, (sealed,), (f"call-of-{trace_id}", "support@2", "key_7"))])
    await book.ledger.append([Entry(record("model.called", tenant, trace_id, span_id=span), opens=True)])
    await book.settle()
    if closed:
        await book.ledger.append([Entry(record("model.answered", tenant, trace_id, span_id=span), closes=span)])
        await book.ledger.append([Entry(record("response.completed", tenant, trace_id))])
