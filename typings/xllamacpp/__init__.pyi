# SPDX-License-Identifier: Apache-2.0
# The part of xllamacpp that processes/local_model.py and tests/upstream/record.py use; the wheel itself has no types.

class ModelParams:
    path: str

class CpuParams:
    n_threads: int

class CommonParams:
    model: ModelParams
    model_alias: set[str]
    hostnames: list[str]
    port: int
    n_ctx: int
    n_parallel: int
    cpuparams: CpuParams
    cpuparams_batch: CpuParams
    cache_ram_mib: int
    ui: bool
    endpoint_slots: bool
    cors_origins: str
    use_jinja: bool
    chat_template: str
    verbosity: int

class Server:
    def __init__(self, params: CommonParams) -> None: ...
