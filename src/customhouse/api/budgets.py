# SPDX-License-Identifier: Apache-2.0
"""The endpoint of budgets: what an assistant may use, and what of it is used now.

It names keys and the tenants that they are for, so it is for those who may read these.
"""

from typing import Final

from customhouse.api.pins import environment
from customhouse.api.route import ROOT, Call, Parameter, Route
from customhouse.registry.budgets import BudgetsInForce, budgets


async def _budgets(call: Call[None]) -> BudgetsInForce:
    wanted = environment(call.query["environment"])
    return await budgets(call.control, call.current, call.credentials, wanted, call.path["assistant"])


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "GET",
        f"{ROOT}/assistants/{{assistant}}/budgets",
        "keys.read",
        "Show an assistant's limits and budgets of tools, and what is spent and reserved of them.",
        None,
        BudgetsInForce,
        _budgets,
        query=(Parameter("environment", "The environment.", required=True),),
    ),
)
"""The endpoints of this file."""
