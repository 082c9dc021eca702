# SPDX-License-Identifier: Apache-2.0
"""The release key: an Ed25519 key pair (RFC 8032) that signs releases and nothing else.

Rules kept: one key file for one purpose; the private half is PKCS#8 PEM in a file of mode 0600 that no other user may
read (a file that others can read is refused, not repaired); it is created once, atomically, and never overwritten.
"""

import base64
import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from customhouse.domain.errors import KeyFileRefused

PRIVATE_NAME: Final = "release.key"
PUBLIC_NAME: Final = "release.pub"
MAX_KEY_FILE_BYTES: Final = 4096
"""An Ed25519 key in PEM has about 120 bytes; anything large is not a key."""


class ReleaseKey:
    """The private key that signs releases; it never leaves this object."""

    __slots__ = ("_private", "key_id", "public_pem")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        """Hold the key; `key_id` and `public_pem` are derived from it and may be shown to anybody."""
        public = private.public_key()
        self._private = private
        self.public_pem: Final = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        self.key_id: Final = key_id_of(public)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature of `message`."""
        return self._private.sign(message)


def generate() -> ReleaseKey:
    """Return a new key that is kept nowhere."""
    return ReleaseKey(Ed25519PrivateKey.generate())


def open_release_key(directory: Path) -> ReleaseKey:
    """Return the key kept in `directory`, created (with the public half beside it) when there is none.

    Raises KeyFileRefused for a file that is no Ed25519 key or that other users may read.
    """
    path = directory / PRIVATE_NAME
    if not path.exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(path)
    key = _read(path)
    public = directory / PUBLIC_NAME
    if not public.exists():
        public.write_text(key.public_pem, encoding="ascii")
    return key


def verify(public_pem: str, message: bytes, signature: bytes) -> bool:
    """Return whether `signature` is the Ed25519 signature of `message` under this key; False for a broken key."""
    public = _public(public_pem)
    if public is None:
        return False
    try:
        public.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def key_id_of_pem(public_pem: str) -> str | None:
    """Return the key id of a public key in PEM, or None when it is not an Ed25519 public key."""
    public = _public(public_pem)
    return None if public is None else key_id_of(public)


def key_id_of(public: Ed25519PublicKey) -> str:
    """Return `SHA256:` and the base64 digest of the raw public key: the whole digest, so it cannot be imitated."""
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


def _public(public_pem: str) -> Ed25519PublicKey | None:
    try:
        public = load_pem_public_key(public_pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    return public if isinstance(public, Ed25519PublicKey) else None


def _create(path: Path) -> None:
    """Write a new key under a name of its own and link it into place, so that two first starts agree on one key."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    draft = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    finally:
        draft.unlink()


def _read(path: Path) -> ReleaseKey:
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        pem = file.read(MAX_KEY_FILE_BYTES)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileRefused(
            f"{path} has mode {stat.S_IMODE(mode):04o}, expected 0600: `chmod 600 {path}`, then rotate it"
        )
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileRefused(f"{path} is not a private key in PEM: restore it from a backup") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyFileRefused(f"{path} is not an Ed25519 key: restore it from a backup")
    return ReleaseKey(private)
