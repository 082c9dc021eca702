# SPDX-License-Identifier: Apache-2.0
"""Who may do what: people with roles and operator keys, data-plane keys, and the credentials a server holds in memory.

Invariant: no token is ever stored, logged or written as evidence; only its SHA-256 is kept.
"""
