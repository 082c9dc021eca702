# SPDX-License-Identifier: Apache-2.0
"""Redeeming tickets, so that one use is one use over all replicas of a tool server; forgetting those that have ended.

Invariant: nothing here mints a ticket, and no row, record or error holds a call's arguments or their digest.
"""
