# SPDX-License-Identifier: Apache-2.0
"""Approvals: who may say yes to one held tool call, for how long the yes is good, and that it is used once.

Invariant: no argument of a call stands here, in no table, log or message; what was asked for is a sealed payload.
"""
