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


def table() -> list[str]:
    """Return the programs as lines of a table, for docs/reference/dialects.md."""
    rows = [f"| `{one.package}` | {one.version} | `{one.endpoint}` | whole, streamed |" for one in PROGRAMS]
    return ["| SDK | version | speaks to | tried |", "|---|---|---|---|", *rows]
