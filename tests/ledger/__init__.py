# SPDX-License-Identifier: Apache-2.0
"""Tests of the ledger, and `book.py`: a ledger on a file of its own, and records to append."""
