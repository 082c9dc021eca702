# SPDX-License-Identifier: Apache-2.0
"""The way through: one client request from its first header to its last byte. Read `turn.py` first.

Invariant: no other room calls a model, and nothing here reads a manifest file.
"""
