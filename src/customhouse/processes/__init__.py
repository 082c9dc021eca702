# SPDX-License-Identifier: Apache-2.0
"""Supervised children: programs that this house starts, watches and stops. Today the local model; later stdio servers.

Invariant: a child never outlives its parent, and nothing here decides what a child may be asked.
"""
