# SPDX-License-Identifier: Apache-2.0
"""Manifests written for a test: a whole small one, of which a test changes a file, and what is wrong with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from customhouse.manifest.load import load
from customhouse.manifest.manifest import Manifest
from customhouse.manifest.problem import ManifestErrors

DIGEST: Final = "sha256:" + "0" * 64

ANCHOR: Final = """\
assistant_policies:
  customer_support_bot:
    allowed_tools: [search_help_center, get_order_status]
    denied_tools: [issue_refund, change_shipping_address]
    require_human_approval: [issue_refund]
  oncall_triage_bot:
    allowed_tools: [fetch_logs, query_metrics, open_incident_ticket]
    require_human_approval: [deploy_service, run_database_migration]
"""
"""The policy file that loads unchanged, for ever."""

HOUSE: Final[Mapping[str, str]] = {
    "house.yaml": f"""\
organization: {{name: acme, postures_allowed: [self_hosted, hybrid]}}
people: {{dana@acme.test: {{roles: [captain, approver]}}, ola@acme.test: {{roles: [approver]}}}}
groups: {{refunds: [ola@acme.test]}}
providers:
  local: {{dialect: openai_chat, base_url: http://127.0.0.1:1/v1, posture: self_hosted, accepts: restricted}}
  away:
    {{dialect: openai_chat, base_url: https://api.test/v1/, api_key: "${{AWAY_KEY}}", posture: api, region: us,
    accepts: internal, terms: {{retention_days: 30, trains_on_data: false, agreement: DPA-17, reviewed: 2026-10-01}}}}
models:
  small: {{provider: local, model: m, features: [tools], weights: {{digest: "{DIGEST}", source: here}}}}
  big: {{provider: away, model: gpt, features: [json_schema, tools], retires: 2027-06-01}}
tools:
  look: {{effect: read, description: Look., parameters: {{type: object, properties: {{n: {{maximum: 0.5}}}}}}}}
  pay: {{effect: irreversible, parameters: {{type: object}}}}
assistant_policies:
  bot: {{allowed_tools: [look], require_human_approval: [{{tool: pay, approvers: [group:refunds], expires: 1h}}]}}
on_call: {{desk: {{people: [ola@acme.test]}}}}
""",
    "bot.yaml": """\
assistants:
  bot:
    owner: dana@acme.test
    deputy: ola@acme.test
    on_call: desk
    fallback: Please call.
    posture: {use: hybrid, until: 2027-11-01, because: orders stay at home}
    model:
      route: [{when: "data.classification >= confidential", use: [small]}, {use: [big, small]}]
      parameters: {temperature: 0.2, seed: 7}
    prompt: prompts/bot.md
""",
    "prompts/bot.md": """\
---
variables: {name: {default: Acme, max_length: 20}}
tools: [look]
---

You help {{ name }}.
""",
}
"""A manifest without problems."""


def write(directory: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below `directory` and return it."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return directory


def house(directory: Path, changes: Mapping[str, tuple[str, str]] | None = None) -> Manifest:
    """Load the house with changes: a file's name to the text that is replaced and what replaces it."""
    return load(write(directory, changed(changes or {})))


def changed(changes: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Return the house's files with changes; a text that is not there fails the test."""
    files = dict(HOUSE)
    for name, (old, new) in changes.items():
        assert old in files[name], old
        files[name] = files[name].replace(old, new)
    return files


def problems(directory: Path, files: Mapping[str, str | bytes]) -> list[str]:
    """Return the problems of a manifest, one line each; none when it loads."""
    try:
        load(write(directory, files))
    except ManifestErrors as errors:
        return [str(problem) for problem in errors.problems]
    return []
