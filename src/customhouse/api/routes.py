# SPDX-License-Identifier: Apache-2.0
"""Every endpoint of the control API, in one table."""

from typing import Final

from customhouse.api import (
    approvals,
    audit,
    budgets,
    changes,
    keys,
    people,
    pins,
    releases,
    replay,
    replicas,
    switches,
    tickets,
    traces,
)
from customhouse.api.route import Route

ROUTES: Final[tuple[Route, ...]] = (
    *releases.ROUTES,
    *pins.ROUTES,
    *changes.ROUTES,
    *approvals.ROUTES,
    *switches.ROUTES,
    *replicas.ROUTES,
    *budgets.ROUTES,
    *people.ROUTES,
    *keys.ROUTES,
    *tickets.ROUTES,
    *traces.ROUTES,
    *audit.ROUTES,
    *replay.ROUTES,
)
"""All routes but those of the documentation, which describe this table."""
