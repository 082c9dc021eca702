# SPDX-License-Identifier: Apache-2.0
"""The control plane for a model supply chain: planes, decisions, evidence, rollback."""

__version__ = "0.1.0"
