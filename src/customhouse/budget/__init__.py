# SPDX-License-Identifier: Apache-2.0
"""How much an assistant may spend: requests, tokens and money, reserved before a model is asked and settled after.

Invariant: no call leaves whose reservation did not fit, whichever replicas ask at the same time. Nothing here knows
what a model said, and no counter is kept in a process: what counts is in the store.
"""
