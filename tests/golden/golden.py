# SPDX-License-Identifier: Apache-2.0
"""Golden files: what a reviewer reads as a diff. `UPDATE_GOLDEN=1` rewrites them, and then the diff is the review."""

import os
from pathlib import Path

HERE = Path(__file__).parent


def check_golden(name: str, text: str) -> None:
    """Compare `text` with the file of this name below tests/golden."""
    path = HERE / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{path} is missing: run with UPDATE_GOLDEN=1 and review the file"
    assert text == path.read_text(encoding="utf-8"), f"{name} changed: UPDATE_GOLDEN=1 rewrites it; review the diff"
