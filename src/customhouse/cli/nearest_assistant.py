# SPDX-License-Identifier: Apache-2.0
"""Names the assistant that was probably meant, when a move was refused because nothing of the name exists."""

from collections.abc import Generator
from contextlib import contextmanager

from customhouse.cli.client import Client, Refused
from customhouse.cli.output import say
from customhouse.domain.errors import NotInForce, NotTheCaptain, ReleaseUnknown
from customhouse.manifest.problem import nearest
from customhouse.registry.status import Status


@contextmanager
def naming(client: Client, assistant: str) -> Generator[None]:
    """Let a refusal pass, after a line about the nearest assistant that is in force anywhere."""
    try:
        yield
    except Refused as refused:
        if refused.code in {ReleaseUnknown.code, NotInForce.code, NotTheCaptain.code}:
            status = client.fetch("GET", "/api/v1/status", Status)
            names = {one.assistant for one in status.assistants}
            near = None if assistant in names else nearest(assistant, sorted(names))
            if near:
                say(f"nothing of {assistant} is in force; did you mean {near}?")
        raise
