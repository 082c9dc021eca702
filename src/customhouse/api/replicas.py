# SPDX-License-Identifier: Apache-2.0
"""The endpoint of replicas: who runs, and what each of them has in force."""

from typing import Final

from customhouse.api.route import ROOT, Call, Route
from customhouse.registry.replicas import Replicas, replicas


async def _replicas(call: Call[None]) -> Replicas:
    return await replicas(call.control)


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "GET",
        f"{ROOT}/replicas",
        "status.read",
        "List the replicas and the generations that each of them has acknowledged.",
        None,
        Replicas,
        _replicas,
    ),
)
"""The endpoints of this file."""
