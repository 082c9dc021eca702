# SPDX-License-Identifier: Apache-2.0
"""What runs where: versions, releases, charters, pins, holds, changes, and the snapshot a turn reads.

Invariant: nothing here reads a manifest file, and no row that was inserted as history is ever updated or deleted.
"""
