# SPDX-License-Identifier: Apache-2.0
# The part of onnxruntime that processes/sentence_encoder.py uses; the wheel itself has no types.

from collections.abc import Mapping, Sequence

from numpy.typing import NDArray

class SessionOptions:
    intra_op_num_threads: int
    inter_op_num_threads: int
    log_severity_level: int

class NodeArg:
    name: str
    shape: list[int | str]

class InferenceSession:
    def __init__(self, path_or_bytes: bytes, sess_options: SessionOptions, *, providers: Sequence[str]) -> None: ...
    def get_outputs(self) -> list[NodeArg]: ...
    def run(self, output_names: None, input_feed: Mapping[str, NDArray[object]]) -> list[object]: ...
