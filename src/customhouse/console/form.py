# SPDX-License-Identifier: Apache-2.0
"""A posted form as values, read strictly and within bounds. Pure."""

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import parse_qsl

from customhouse.domain.errors import FieldNotAllowed, InvalidRequest, MediaTypeRefused

MAX_FORM_BYTES: Final = 32 * 1024
"""A reason of a few thousand characters, each of which may take nine bytes."""
_MAX_FIELDS: Final = 12
MEDIA_TYPE: Final = "application/x-www-form-urlencoded"


def read_form(media_type: str, content: bytes, fields: Collection[str]) -> Mapping[str, str]:
    """Return the fields of a form, each of which stands in it once; a line ends as it was typed, with one character.

    Raises MediaTypeRefused, FieldNotAllowed and InvalidRequest.
    """
    if media_type.partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise MediaTypeRefused(f"a page's form is {MEDIA_TYPE}.")
    try:
        pairs = parse_qsl(
            content.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(content),
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError as error:  # UnicodeDecodeError is one
        raise InvalidRequest("the form is not a list of name=value in UTF-8.") from error
    values: dict[str, str] = {}
    for name, value in pairs:
        if name not in fields:
            raise FieldNotAllowed(f"{name[:64]!r} is no field of this form.", param=name[:64])
        if name in values:
            raise InvalidRequest(f"the field {name} stands twice.", param=name)
        values[name] = value.replace("\r\n", "\n")
    missing = [name for name in fields if name not in values]
    if missing:
        raise InvalidRequest(f"the form lacks {', '.join(sorted(missing))}.", param=missing[0])
    return values
