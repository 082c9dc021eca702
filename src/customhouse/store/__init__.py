# SPDX-License-Identifier: Apache-2.0
"""Databases: one protocol, named SQL, numbered migrations.

Invariant: SQL lives in `sql/` and `migrations/` only, and only the rooms' `tables.py` files call it.
"""
