# SPDX-License-Identifier: Apache-2.0
"""The safety plane: data classes, residency and the ledger's failure mode.

Invariant: nothing here imports another plane.
"""
