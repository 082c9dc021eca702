# SPDX-License-Identifier: Apache-2.0
"""Keys derived from keys: one for each purpose and each salt."""

from customhouse.vault.derive import subkey


def test_each_purpose_and_each_salt_has_a_key_of_its_own() -> None:
    root = bytes(32)
    made = [subkey(root, b"a"), subkey(root, b"b"), subkey(root, b"a", b"home"), subkey(bytes(31) + b"\x01", b"a")]
    assert len(set(made)) == 4
    assert {len(key) for key in made} == {32}
    assert subkey(root, b"a", b"home") == made[2]


def test_it_is_hkdf_as_written() -> None:
    """RFC 5869, appendix A.3: no salt, and (here) no purpose; the first 32 of its 42 bytes."""
    key = subkey(b"\x0b" * 22, b"")
    assert key.hex() == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
