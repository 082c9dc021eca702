# SPDX-License-Identifier: Apache-2.0
"""The release key: created once, kept 0600, refused when others may read it."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from customhouse.domain.errors import KeyFileRefused
from customhouse.vault.sign import PRIVATE_NAME, PUBLIC_NAME, generate, key_id_of_pem, open_release_key, verify


def test_it_is_created_once_and_kept_private(tmp_path: Path) -> None:
    keys = tmp_path / "home" / "keys"
    first = open_release_key(keys)
    assert open_release_key(keys).key_id == first.key_id
    assert stat.S_IMODE((keys / PRIVATE_NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert (keys / PUBLIC_NAME).read_text() == first.public_pem
    assert sorted(path.name for path in keys.iterdir()) == [PRIVATE_NAME, PUBLIC_NAME]


def test_two_first_starts_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = {key.key_id for key in threads.map(open_release_key, [tmp_path] * 16)}
    assert len(found) == 1


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_refused_not_repaired(tmp_path: Path, mode: int) -> None:
    open_release_key(tmp_path)
    (tmp_path / PRIVATE_NAME).chmod(mode)
    with pytest.raises(KeyFileRefused, match=r"chmod 600"):
        open_release_key(tmp_path)
    assert stat.S_IMODE((tmp_path / PRIVATE_NAME).stat().st_mode) == mode


def test_another_kind_of_key_or_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / PRIVATE_NAME
    other = generate_private_key(SECP256R1())
    for content in (other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), b"", b"hello"):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(KeyFileRefused):
            open_release_key(tmp_path)
    public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert key_id_of_pem(public) is None


def test_signatures() -> None:
    key, other = generate(), generate()
    signature = key.sign(b"message")
    assert verify(key.public_pem, b"message", signature)
    assert not verify(key.public_pem, b"massage", signature)
    assert not verify(other.public_pem, b"message", signature)
    assert not verify(key.public_pem, b"message", b"")
    assert not verify("no key", b"message", signature)
    assert key_id_of_pem(key.public_pem) == key.key_id
