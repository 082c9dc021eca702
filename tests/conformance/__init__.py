# SPDX-License-Identifier: Apache-2.0
"""What the `Database` protocol promises (store/database.py), asked of both stores by the same tests."""
