# SPDX-License-Identifier: Apache-2.0
"""A small scripted model provider on a real socket, for tests: `server.py` speaks HTTP, `replies.py` says what.

Invariant: nothing here imports customhouse; what the gateway sends is judged by a program that shares no code with it.
"""
