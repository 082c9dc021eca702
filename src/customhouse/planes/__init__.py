# SPDX-License-Identifier: Apache-2.0
"""The five planes, one folder each, which never import each other: that is what lets each be rolled back alone.

Invariant: `document.py` says what is released; pure files decide on values; only `call.py` does I/O.
"""
