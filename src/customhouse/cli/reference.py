# SPDX-License-Identifier: Apache-2.0
"""Arguments that name a release, `ASSISTANT@N`, or planes, `prompt,tools`."""

from typing import NamedTuple

import click

from customhouse.domain.plane import PLANES, Plane


class ReleaseName(NamedTuple):
    """An assistant and a release number."""

    assistant: str
    number: int


class ReleaseType(click.ParamType[ReleaseName]):
    """`ASSISTANT@N`."""

    name = "ASSISTANT@N"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> ReleaseName:
        """Return the release that is named; anything else is a usage error."""
        if isinstance(value, ReleaseName):
            return value
        assistant, at, number = str(value).rpartition("@")
        if not (assistant and at and number.isascii() and number.isdigit() and int(number)):
            self.fail(f"{value!r} names no release, expected ASSISTANT@N, for example support@41", param, ctx)
        return ReleaseName(assistant, int(number))


class PlanesType(click.ParamType[tuple[Plane, ...]]):
    """One plane, or several with commas between them."""

    name = "PLANE[,PLANE…]"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Plane, ...]:
        """Return the planes that are named; anything else is a usage error."""
        if isinstance(value, tuple):
            return tuple(Plane(str(plane)) for plane in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - already converted
        named = [part.strip() for part in str(value).split(",")]
        wrong = [name for name in named if name not in {plane.value for plane in PLANES}]
        if wrong:
            self.fail(f"{wrong[0]!r} is no plane, expected {', '.join(PLANES)}", param, ctx)
        return tuple(Plane(name) for name in named)
