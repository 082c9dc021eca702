# SPDX-License-Identifier: Apache-2.0
"""The nouns of the house: values and pure functions on them.

Invariant: nothing here opens a file, a socket or a database, or reads a clock of its own accord.
"""
