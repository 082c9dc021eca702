# SPDX-License-Identifier: Apache-2.0
"""Wire formats, both directions, bytes to and from the domain's values.

Invariant: no I/O and no decision here; what a dialect does not name does not pass.
"""
