# SPDX-License-Identifier: Apache-2.0
"""The Model Context Protocol on the wire: JSON-RPC messages, headers and event streams to and from values.

Two eras. In the handshake revisions (2024-11-05 to 2025-11-25) a client introduces itself once, with `initialize`; in
the modern one (2026-07-28) every request says in its `_meta` who sends it, and headers repeat what the body says.

Invariant: no I/O and no decision here. What passes from one side to the other is built anew from what was read.
"""
