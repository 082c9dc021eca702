# SPDX-License-Identifier: Apache-2.0
"""What people declare: files are loaded with every error at once, checked, compared, and compiled to documents.

Invariant: a manifest cannot cost more time or memory than the limits in `files.py` and `nodes.py` say, whatever it
holds; nothing here reaches a server, and a secret's value is never read: only its name.
"""
