# SPDX-License-Identifier: Apache-2.0
"""Every page of the console that is for people who are signed in, in one table."""

from typing import Final

from customhouse.console import approvals
from customhouse.console.page import Page

PAGES: Final[tuple[Page, ...]] = (*approvals.PAGES,)
"""All pages but the doors (sign_in.py)."""
