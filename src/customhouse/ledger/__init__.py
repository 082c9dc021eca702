# SPDX-License-Identifier: Apache-2.0
"""Evidence: canonical records, hash-chained for each tenant, durable before what they prove is visible.

Invariant: nothing here updates or deletes evidence; the only row that moves is a chain's head, by compare-and-set.
"""
