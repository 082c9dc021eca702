# SPDX-License-Identifier: Apache-2.0
"""Where a deployment is asked, and in which header its credential goes. Pure.

Sources: the openai package, lib/azure.py (deployment paths, `api-version`, `api-key` or `Authorization: Bearer`); the
anthropic package, _client.py (`x-api-key`, `anthropic-version`). Everybody else who says "OpenAI compatible" takes
`Authorization: Bearer` below an address that ends in /v1.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from customhouse.planes.model.document import Azure, Deployment

MAX_KEPT: Final = 1000
"""Addresses that are kept ready for the next call."""
V1: Final = "v1"
"""The `api_version` of Azure's surface that needs none."""
ANTHROPIC_VERSION: Final = "2023-06-01"
"""The one version of Anthropic's API that its own package sends."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}")
"""What stands in a path as it is, and is neither `.` nor `..`."""
_BELOW_DEPLOYMENT: Final = frozenset({"/chat/completions", "/embeddings"})
"""Azure's dated versions have these below a deployment, and /responses beside it (lib/azure.py)."""


class Address(NamedTuple):
    """Where to send: `headers` always, and the credential after `prefix` in the header `credential`."""

    url: str
    headers: Mapping[str, str]
    credential: str
    prefix: str

    def signed(self, token: str | None) -> dict[str, str]:
        """Return all headers; without a token none that carries one."""
        return {**self.headers} if token is None else {**self.headers, self.credential: self.prefix + token}


@lru_cache(maxsize=MAX_KEPT)
def address(deployment: Deployment, path: str) -> Address:
    """Return where a deployment is asked for `path`, which is the dialect's own or `/embeddings`, `/models`.

    Raises ValueError for a combination that no provider has.
    """
    base, azure = deployment.base_url.rstrip("/"), deployment.azure
    if deployment.dialect == "anthropic":
        if azure is not None:
            raise ValueError(f"{deployment.provider} speaks anthropic, and is no Azure OpenAI resource")
        # Anthropic's own package is given an address without /v1; every other one here ends in it.
        url = base.removesuffix("/v1") + "/v1" + path.removeprefix("/v1")
        return Address(url, {"anthropic-version": ANTHROPIC_VERSION}, "x-api-key", "")
    if azure is None:
        return Address(base + path, {}, "Authorization", "Bearer ")
    credential, prefix = ("Authorization", "Bearer ") if azure.auth == "entra" else ("api-key", "")
    return Address(_azure(base, azure, path, deployment.model), {}, credential, prefix)


def _azure(base: str, azure: Azure, path: str, model: str) -> str:
    if azure.api_version == V1:
        return f"{base}/openai/v1{path}"
    if _NAME.fullmatch(model) is None or _NAME.fullmatch(azure.api_version) is None:
        raise ValueError("an Azure deployment's name and api_version are letters, digits, '-', '_' and '.'")
    below = f"/deployments/{model}" if path in _BELOW_DEPLOYMENT else ""
    return f"{base}/openai{below}{path}?api-version={azure.api_version}"
