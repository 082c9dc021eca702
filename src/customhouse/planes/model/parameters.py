# SPDX-License-Identifier: Apache-2.0
"""Sampling parameters of a call: the released values, and a client's only where the model document lets it set them.

Clients that always send a temperature keep working: what they may not set is left as released, and named, so that the
evidence can say so.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from customhouse.dialects.provider import PROVIDERS
from customhouse.domain.errors import Inexpressible
from customhouse.domain.message import Message, Text
from customhouse.domain.request import SAMPLING_FIELDS, Number, Request
from customhouse.planes.model.document import Deployment, Document, Parameters

_DECIMALS: Final = frozenset({"temperature", "top_p", "frequency_penalty", "presence_penalty"})


class Settled(NamedTuple):
    """What goes upstream, and the names of fields that a client sent in vain."""

    values: dict[str, Number]
    kept: tuple[str, ...]


def released(parameters: Parameters) -> dict[str, Number]:
    """Return the released values as numbers. Raises ValueError for a decimal that is none. Once for each snapshot."""
    values: dict[str, Number] = {}
    for name in SAMPLING_FIELDS:
        value: str | int | None = getattr(parameters, name)
        if value is not None:
            values[name] = float(value) if isinstance(value, str) and name in _DECIMALS else value
    return values


def untold(deployment: Deployment, parameters: Parameters) -> str | None:
    """Return the first released parameter that a deployment's provider cannot be told in its dialect, or None.

    Raises ValueError as `released`. It is tried with the smallest request there is, so the answer is the dialect's own.
    """
    dialect = PROVIDERS.get(deployment.dialect)
    if dialect is None:
        return None
    smallest = Request(
        model=deployment.model,
        messages=(Message("user", (Text("a"),)),),
        sampling=released(parameters),
        max_tokens=parameters.max_tokens,
    )
    try:
        dialect.body(smallest, deployment.features)
    except Inexpressible as error:
        return error.param
    return None


def settle(document: Document, base: Mapping[str, Number], asked: Mapping[str, Number]) -> Settled:
    """Join released values with what a client asked for."""
    values = dict(base)
    kept: list[str] = []
    for name, value in asked.items():
        if name in document.client_may_set:
            values[name] = value
        elif value != base.get(name):
            kept.append(name)
    return Settled(values, tuple(kept))


def bounded_tokens(parameters: Parameters, asked: int | None) -> int | None:
    """Return how many tokens may be generated: the client's wish, never above the released bound."""
    if parameters.max_tokens is None or asked is None:
        return parameters.max_tokens if asked is None else asked
    return min(parameters.max_tokens, asked)
