# SPDX-License-Identifier: Apache-2.0
"""The JSON control API under /api/v1: one table of routes, each with the verb that guards it. Thin over the rest.

Invariant: nothing here decides who may do what, or touches a table; a handler calls one verb and returns its answer.
"""
