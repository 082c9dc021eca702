# SPDX-License-Identifier: Apache-2.0
"""Questions about behaviour that evidence answers, over many traces and logs.

Invariant: nothing here writes, and no answer is made of anything but records. What the records cannot prove is said.
"""
