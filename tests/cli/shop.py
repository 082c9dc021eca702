# SPDX-License-Identifier: Apache-2.0
"""A shop with a manifest in git, a server, and people with keys who use the command line."""

import json
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner, Result
from tests.cli.served import Served, served

from customhouse.access.roles import Role
from customhouse.api.routes import ROUTES
from customhouse.cli.main import customhouse

PEOPLE: Final[dict[str, tuple[Role, ...]]] = {
    "dana": ("captain", "approver"),
    "ola": ("approver", "oncall"),
    "sam": ("auditor",),
}
MANIFEST: Final = """\
organization: {name: acme}
people:
  dana@acme.test: {roles: [captain, approver]}
  ola@acme.test: {roles: [approver, oncall]}
providers:
  local: {dialect: openai_chat, base_url: "http://127.0.0.1:8081/v1", posture: self_hosted, accepts: restricted}
models:
  small-chat:
    provider: local
    model: m
    kind: chat
    features: [tools]
    weights: {digest: "sha256:%s", source: test, licence: Apache-2.0}
tools:
  track: {effect: read}
  refund: {effect: irreversible}
assistants:
  support:
    owner: dana@acme.test
    deputy: ola@acme.test
    on_call: support-oncall
    fallback: Please call us.
    posture: {use: self_hosted}
    model: {route: [{use: [small-chat]}]}
    prompt: prompts/support.md
"""
POLICY: Final = "assistant_policies:\n  support: {allowed_tools: [track]}\n"
PROMPT: Final = "You help.\n"
GIT: Final = ("git", "-c", "user.name=t", "-c", "user.email=t@acme.test", "-c", "commit.gpgsign=false")


@dataclass(frozen=True, slots=True)
class Shop:
    """The manifest's directory, the server, and everybody's keys."""

    manifest: Path
    server: Served
    keys: dict[str, str]

    def write(self, *, prompt: str = PROMPT, policy: str = POLICY, commit: bool = True) -> None:
        """Write the manifest and (commit) commit it."""
        (self.manifest / "prompts").mkdir(parents=True, exist_ok=True)
        (self.manifest / "shop.yaml").write_text(MANIFEST % ("0" * 64))
        (self.manifest / "policy.yaml").write_text(policy)
        (self.manifest / "prompts" / "support.md").write_text(prompt)
        if commit:
            for arguments in (("add", "-A"), ("commit", "-q", "--allow-empty", "-m", "x")):
                subprocess.run([*GIT, "-C", str(self.manifest), *arguments], check=True)

    def run(self, who: str, *arguments: str) -> Result:
        """Run a command as one of the people."""
        env = {"CUSTOMHOUSE_URL": self.server.url, "CUSTOMHOUSE_KEY": self.keys[who], "COLUMNS": "200"}
        return CliRunner().invoke(customhouse, list(arguments), env=env)

    def good(self, who: str, *arguments: str) -> str:
        """Run a command that must succeed; return what it printed on stdout."""
        result = self.run(who, *arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, who: str, *arguments: str) -> Any:  # noqa: ANN401 - plain JSON
        """Run a reading command with --json."""
        return json.loads(self.good(who, *arguments, "--json"))

    def refused(self, who: str, *arguments: str) -> str:
        """Run a command that must be refused with exit status 1; return everything it printed."""
        result = self.run(who, *arguments)
        assert result.exit_code == 1, result.output
        return result.output

    def release(self, who: str = "dana", *arguments: str) -> str:
        """Release the manifest as it is."""
        return self.good(who, "release", "support", "--notes", "n", "-m", str(self.manifest), *arguments)


@contextmanager
def shop(home: Path) -> Generator[Shop]:
    """Open a shop with a committed manifest; nothing is released yet."""
    with served(home, ROUTES) as server:
        keys = {name: server.run(server.house.person(f"{name}@acme.test", *roles)) for name, roles in PEOPLE.items()}
        opened = Shop(home.parent / "manifest", server, keys)
        opened.manifest.mkdir()
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
        subprocess.run([*GIT, "-C", str(opened.manifest), "init", "-q"], check=True, env=environment)
        opened.write()
        yield opened
