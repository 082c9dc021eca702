# SPDX-License-Identifier: Apache-2.0
"""The command line: one file for each noun or verb; parse, call one function, print.

Invariant: a verb that changes or reads what is in force speaks HTTP to the control API, also with `--local`.
"""
