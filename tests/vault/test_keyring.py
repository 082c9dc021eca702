# SPDX-License-Identifier: Apache-2.0
"""Key files: created once whoever comes first, for their owner alone, and never repaired behind anybody's back."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from customhouse.domain.clock import SystemClock
from customhouse.domain.errors import StoreUnavailable
from customhouse.vault.keyring import ROOT_KEY_BYTES, read_or_create, root_key

CLOCK = SystemClock()


def test_it_is_created_once_for_its_owner_alone(tmp_path: Path) -> None:
    keys = tmp_path / "home" / "keys"
    first = root_key(keys, CLOCK)
    assert len(first) == ROOT_KEY_BYTES
    assert root_key(keys, CLOCK) == first
    assert stat.S_IMODE((keys / "root.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert [path.name for path in keys.iterdir()] == ["root.key"], "no draft is left behind"


def test_another_home_has_another_key(tmp_path: Path) -> None:
    assert root_key(tmp_path / "a", CLOCK) != root_key(tmp_path / "b", CLOCK)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601])
def test_a_key_that_others_may_read_is_refused_not_repaired(tmp_path: Path, mode: int) -> None:
    root_key(tmp_path, CLOCK)
    (tmp_path / "root.key").chmod(mode)
    with pytest.raises(StoreUnavailable, match=rf"mode 0{mode:o}\): run chmod 600"):
        root_key(tmp_path, CLOCK)
    assert stat.S_IMODE((tmp_path / "root.key").stat().st_mode) == mode


def test_first_starts_at_the_same_time_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = [threads.submit(root_key, tmp_path, CLOCK) for _ in range(32)]
    assert len({each.result() for each in found}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["root.key"]


DAMAGED = [
    ("empty", b"", r"holds 0 bytes, 32 expected"),
    ("cut in half", b"ab" * 16 + b"\n", r"holds 16 bytes, 32 expected"),
    ("too long", b"ab" * 33, r"holds 33 bytes, 32 expected"),
    ("half a byte", b"abc", r"is not a key file"),
    ("not hex", b"zz" * 32, r"is not a key file"),
    ("not text", b"\xff" * 64, r"is not a key file"),
]


@pytest.mark.parametrize(("what", "content", "said"), DAMAGED, ids=[row[0] for row in DAMAGED])
def test_a_damaged_key_is_refused_and_kept_as_it_is(tmp_path: Path, what: str, content: bytes, said: str) -> None:
    path = tmp_path / "root.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StoreUnavailable, match=said):
        root_key(tmp_path, CLOCK)
    assert path.read_bytes() == content, what


def test_a_secret_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    assert read_or_create(tmp_path / "secret", b"first") == b"first"
    assert read_or_create(tmp_path / "secret", b"second") == b"first"
