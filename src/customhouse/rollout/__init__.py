# SPDX-License-Identifier: Apache-2.0
"""Moving behaviour on purpose: release, promote, roll back, review, hold.

Invariant: pins move only in `move.py`, in one transaction with their generation, history, holds and evidence.
"""
