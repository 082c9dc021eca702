# SPDX-License-Identifier: Apache-2.0
"""A manifest with one policy over tools with arguments of every kind, into which a test writes what it is about."""

from pathlib import Path
from typing import Final

from tests.manifest.written import write

MANIFEST: Final = """\
people: {{ola@acme.test: {{roles: [approver]}}}}
tools:
  ship:
    effect: write
    parameters:
      type: object
      properties:
        order_id: {{type: string, pattern: "^[A-Z]-[0-9]+$"}}
        price: {{type: string, pattern: "^[0-9]+([.][0-9]{{2}})?$"}}
        amount: {{type: number}}
        count: {{type: integer}}
        note: {{type: string}}
        fast: {{type: boolean}}
        mixed: {{type: [string, integer]}}
        day: {{enum: [monday, tuesday]}}
        lines: {{type: array, items: {{$ref: "#/$defs/line"}}}}
        to: {{type: object, properties: {{city: {{type: string}}}}, required: [city]}}
        any: {{}}
      required: [order_id, price, amount, count, fast, mixed, day, lines, to, any]
      additionalProperties: false
      $defs: {{line: {{type: object, properties: {{price: {{type: number}}}}, required: [price]}}}}
  free: {{effect: write}}
  wipe: {{effect: irreversible, parameters: {{type: object}}}}
assistant_policies:
  bot:
    allowed_tools: [ship, free, wipe]
    {policy}
"""
LINE: Final = MANIFEST.replace("{{", "{").split("\n").index("    {policy}") + 1


def ordering(directory: Path, policy: str) -> Path:
    """Write the manifest with one more line in its policy, which stands at LINE."""
    return write(directory, {"a.yaml": MANIFEST.format(policy=policy)})


def rule(when: str, tool: str = "ship") -> str:
    """Return a policy line with one rule."""
    return f"rules: [{{tool: {tool}, when: {quoted(when)}}}]"


def unless(when: str, tool: str) -> str:
    """Return a policy line with one approval rule and its exception."""
    return f"require_human_approval: [{{tool: {tool}, approvers: [ola@acme.test], unless: {quoted(when)}}}]"


def total(of: str, tool: str = "ship", most: str = "5", per: str = "day") -> str:
    """Return a policy line with one sum."""
    return f"budgets: {{sums: [{{of: {of}, tool: {tool}, max: {most}, per: {per}}}]}}"


def quoted(text: str) -> str:
    """Return text in YAML's single quotes."""
    return "'" + text.replace("'", "''") + "'"
