# SPDX-License-Identifier: Apache-2.0
"""A scripted provider, a gateway in front of it, and the real `anthropic` SDK: what the tests of its dialect share."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import anthropic
from tests.gateway.running import Running, documents, running
from tests.upstream.server import Upstream, scripted_upstream

from customhouse.domain.message import DialectName

KEY: Final = "UPSTREAM_KEY"
"""The variable of the provider's key, which the tests set."""
NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


class Scene(NamedTuple):
    """Who takes part."""

    gateway: Running
    upstream: Upstream
    client: anthropic.Anthropic


def sdk(gateway: Running) -> anthropic.Anthropic:
    """Return the SDK, unmodified but for URL and key."""
    return anthropic.Anthropic(
        base_url=f"http://127.0.0.1:{gateway.port}", api_key=gateway.key, max_retries=0, timeout=30
    )


@contextmanager
def scene(
    home: Path,
    *models: str,
    dialect: DialectName = "anthropic",
    settings: Mapping[str, int] = NOTHING,
    **fields: Any,  # noqa: ANN401 - passed on to the documents
) -> Generator[Scene]:
    """Run all three; the gateway has a deployment for each model."""
    with (
        scripted_upstream() as upstream,
        running(
            home, documents(upstream.base_url, models, dialect=dialect, api_key_env=KEY, **fields), **settings
        ) as gateway,
        sdk(gateway) as client,
    ):
        yield Scene(gateway, upstream, client)
