# SPDX-License-Identifier: Apache-2.0
"""What the control API has published of an assistant, as values to compare a manifest with."""

import msgspec

from customhouse.cli.client import Client, Refused, segment
from customhouse.domain.errors import NotInForce
from customhouse.manifest.compile import Compiled
from customhouse.planes.model.document import Document as ModelDocument
from customhouse.planes.prompt.document import Document as PromptDocument
from customhouse.planes.retrieval.document import Document as RetrievalDocument
from customhouse.planes.safety.document import Document as SafetyDocument
from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.registry.charter import Charter
from customhouse.registry.documents import Documents


class _Five(msgspec.Struct, frozen=True, kw_only=True):
    model: ModelDocument
    prompt: PromptDocument
    tools: ToolsDocument
    retrieval: RetrievalDocument
    safety: SafetyDocument


class _Force(_Five, frozen=True, kw_only=True):
    stamp: str
    charter: Charter


class _Release(msgspec.Struct, frozen=True, kw_only=True):
    documents: _Five


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """What an environment runs, with its stamp (`assistant@number` plus overrides)."""

    stamp: str
    compiled: Compiled


def in_force(client: Client, assistant: str, environment: str) -> InForce | None:
    """Return what is in force, or None when the assistant has no release in the environment."""
    path = f"/api/v1/assistants/{segment(assistant)}/force"
    try:
        found = client.fetch("GET", path, _Force, query={"environment": environment})
    except Refused as refused:
        if refused.code == NotInForce.code:
            return None
        raise
    return InForce(stamp=found.stamp, compiled=Compiled(_documents(found), found.charter))


def release(client: Client, assistant: str, number: int) -> Documents:
    """Return the documents of a release."""
    path = f"/api/v1/releases/{segment(assistant)}/{number}"
    return _documents(client.fetch("GET", path, _Release).documents)


def _documents(five: _Five) -> Documents:
    return Documents(
        model=five.model, prompt=five.prompt, tools=five.tools, retrieval=five.retrieval, safety=five.safety
    )
