# SPDX-License-Identifier: Apache-2.0
"""The programs of this folder: which SDK each speaks through, in which environment, to which endpoint."""

from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).parent


class Program(NamedTuple):
    """One program. `package` stands in the environment's list of pins, `environment`.txt."""

    package: str
    environment: str
    file: str
    endpoint: str
    flags: tuple[str, ...] = ()

    @property
    def python(self) -> Path:
        """Return the interpreter of its environment."""
        return FOLDER.parents[1] / ".venv" / "clients" / self.environment / "bin" / "python"

    @property
    def version(self) -> str:
        """Return the package's pinned version."""
        pins = (FOLDER / f"{self.environment}.txt").read_text(encoding="utf-8").splitlines()
        return dict(line.split("==") for line in pins if "==" in line)[self.package]


PROGRAMS: Final = (
    Program("openai", "sdks", "with_openai_chat.py", "/v1/chat/completions"),
    Program("openai", "sdks", "with_openai_responses.py", "/v1/responses"),
    Program("anthropic", "sdks", "with_anthropic.py", "/v1/messages"),
    Program("openai-agents", "sdks", "with_openai_agents.py", "/v1/responses"),
    Program("pydantic-ai-slim", "sdks", "with_pydantic_ai.py", "/v1/responses"),
    Program("langchain-openai", "sdks", "with_langchain_openai.py", "/v1/chat/completions"),
    Program("langchain-anthropic", "sdks", "with_langchain_anthropic.py", "/v1/messages"),
    Program("llama-index-llms-openai", "llama_index", "with_llama_index.py", "/v1/chat/completions"),
)

_AGENTS: Final = ("openai-agents", "sdks", "refund_openai_agents.py", "/v1/responses")
_PYDANTIC: Final = ("pydantic-ai-slim", "sdks", "refund_pydantic_ai.py")
REFUNDS: Final = {
    "openai-agents": Program(*_AGENTS),
    "openai-agents-streamed": Program(*_AGENTS, ("--stream",)),
    "openai-agents-items": Program(*_AGENTS, ("--items",)),
    "openai-agents-items-streamed": Program(*_AGENTS, ("--items", "--stream")),
    "pydantic-ai": Program(*_PYDANTIC, "/v1/responses"),
    "pydantic-ai-streamed": Program(*_PYDANTIC, "/v1/responses", ("--stream",)),
    "pydantic-ai-chat": Program(*_PYDANTIC, "/v1/chat/completions", ("--chat",)),
    "pydantic-ai-chat-streamed": Program(*_PYDANTIC, "/v1/chat/completions", ("--chat", "--stream")),
}
"""Agents whose refund a person must approve."""


def table() -> list[str]:
    """Return the programs as lines of a table, for docs/reference/dialects.md."""
    rows = [f"| `{one.package}` | {one.version} | `{one.endpoint}` | whole, streamed |" for one in PROGRAMS]
    return ["| SDK | version | speaks to | tried |", "|---|---|---|---|", *rows]


def refunds_table() -> list[str]:
    """Return the agents that go on after a yes as lines of a table, for docs/reference/dialects.md."""
    rows = [
        f"| `{one.package}` | {one.version} | `{one.endpoint}` | {_names(one)} | {_streamed(one)} |"
        for one in REFUNDS.values()
    ]
    return ["| SDK | version | speaks to | names the approval by | tried |", "|---|---|---|---|---|", *rows]


def _names(program: Program) -> str:
    return "items of the answer" if "--items" in program.flags else "the header"


def _streamed(program: Program) -> str:
    return "streamed" if "--stream" in program.flags else "whole"
