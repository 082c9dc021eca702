# SPDX-License-Identifier: Apache-2.0
"""Anthropic Messages, citations in both directions: what a text block rests on.

Source of the shapes: types/text_citation.py of the `anthropic` package and the locations that it names. There a
citation belongs to a whole text block, so where in an answer's text a page is cited (`start`, `end`) has no place.
"""

from typing import assert_never

import msgspec

from customhouse.dialects.anthropic.wire import BlockLocation, CharLocation, Location, PageLocation, WebLocation
from customhouse.domain.message import Citation, DocumentCitation, WebCitation

_UNITS = {"char": "char_index", "page": "page_number", "block": "block_index"}
_TYPES = {"char": "char_location", "page": "page_location", "block": "content_block_location"}


class Found(msgspec.Struct, frozen=True):
    """A citation as a provider wrote it, whichever of the locations it is."""

    type: str
    cited_text: str | None = None
    document_index: int = 0
    document_title: str | None = None
    start_char_index: int = 0
    end_char_index: int = 0
    start_page_number: int = 0
    end_page_number: int = 0
    start_block_index: int = 0
    end_block_index: int = 0
    url: str | None = None
    title: str | None = None
    encrypted_index: str | None = None


def cited(location: Location) -> Citation:
    """Return what a client's citation means."""
    match location:
        case CharLocation():
            return _document(location, "char", location.start_char_index, location.end_char_index)
        case PageLocation():
            return _document(location, "page", location.start_page_number, location.end_page_number)
        case BlockLocation():
            return _document(location, "block", location.start_block_index, location.end_block_index)
        case WebLocation():
            return WebCitation(url=location.url, title=location.title, cited=location.cited_text or None)
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)


def _document(location: CharLocation | PageLocation | BlockLocation, unit: str, start: int, end: int) -> Citation:
    return DocumentCitation(
        document=location.document_index,
        unit=unit,  # pyright: ignore[reportArgumentType] - one of the three above
        start=start,
        end=end,
        title=location.document_title,
        cited=location.cited_text or None,
    )


def found(citation: Found) -> Citation | None:
    """Return what a provider's citation means; None for one of a search that nobody granted."""
    match citation.type:
        case "char_location":
            unit, start, end = "char", citation.start_char_index, citation.end_char_index
        case "page_location":
            unit, start, end = "page", citation.start_page_number, citation.end_page_number
        case "content_block_location":
            unit, start, end = "block", citation.start_block_index, citation.end_block_index
        case "web_search_result_location" if not citation.encrypted_index and citation.url:
            return WebCitation(url=citation.url, title=citation.title, cited=citation.cited_text or None)
        case _:
            return None
    return DocumentCitation(
        document=citation.document_index,
        unit=unit,
        start=start,
        end=end,
        title=citation.document_title,
        cited=citation.cited_text or None,
    )


def written(citation: Citation) -> dict[str, object]:
    """Return a citation as this dialect writes it."""
    match citation:
        case WebCitation():
            return {
                "type": "web_search_result_location",
                "url": citation.url,
                "title": citation.title,
                "cited_text": citation.cited or "",
                "encrypted_index": "",
            }
        case DocumentCitation():
            return {
                "type": _TYPES[citation.unit],
                "document_index": citation.document,
                "document_title": citation.title,
                "cited_text": citation.cited or "",
                f"start_{_UNITS[citation.unit]}": citation.start,
                f"end_{_UNITS[citation.unit]}": citation.end,
            }
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)
