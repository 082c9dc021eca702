# SPDX-License-Identifier: Apache-2.0
"""Anthropic Messages, what a client may send: an allow-list of fields and blocks.

Source of the shapes: types/message_create_params.py, message_count_tokens_params.py, content_block_param.py,
tool_param.py, tool_choice_param.py, thinking_config_param.py and output_config_param.py of the `anthropic` package,
narrowed. What is not here is refused by name: server tools (`web_search_…`, `code_execution_…`, `computer_…`,
`bash_…`), `container`, `mcp_servers`, files by id and search results are capabilities, not decoration. `temperature`,
`top_p` and `top_k` left the package's parameters and are still what the API takes, and what clients send.
"""

from typing import Annotated, Literal

import msgspec

from customhouse.domain.message import Cache

Tokens = Annotated[int, msgspec.Meta(ge=1)]
"""A number of tokens to generate. The API's 0 asks for a cache and no answer, which is not a turn."""
ToolName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.\-]{1,128}(?![\s\S])")]
"""What a tool may be called: Anthropic's own rule, and dots."""
NOTHING = msgspec.Raw(b"")


class Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A shape that refuses what it does not name."""


class CacheControl(Wire, frozen=True):
    """A wish that what stands before stays computed."""

    type: Literal["ephemeral"]
    ttl: Cache | None = None


class CharLocation(Wire, frozen=True, tag="char_location"):
    """A citation of a document of plain text."""

    cited_text: str
    document_index: int
    document_title: str | None
    start_char_index: int
    end_char_index: int


class PageLocation(Wire, frozen=True, tag="page_location"):
    """A citation of a PDF."""

    cited_text: str
    document_index: int
    document_title: str | None
    start_page_number: int
    end_page_number: int


class BlockLocation(Wire, frozen=True, tag="content_block_location"):
    """A citation of a document in blocks."""

    cited_text: str
    document_index: int
    document_title: str | None
    start_block_index: int
    end_block_index: int


class WebLocation(Wire, frozen=True, tag="web_search_result_location"):
    """A citation of a page. Its `encrypted_index` is Anthropic's own proof: what we wrote has none."""

    cited_text: str
    url: str
    title: str | None
    encrypted_index: Literal[""]


Location = CharLocation | PageLocation | BlockLocation | WebLocation


class TextBlock(Wire, frozen=True, tag="text"):
    """Text."""

    text: str
    citations: list[Location] | None = None
    cache_control: CacheControl | None = None


class Base64Image(Wire, frozen=True, tag="base64"):
    """A picture that came along."""

    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: str


class UrlSource(Wire, frozen=True, tag="url"):
    """A picture or document that the provider fetches itself."""

    url: str


class ImageBlock(Wire, frozen=True, tag="image"):
    """A picture."""

    source: Base64Image | UrlSource
    cache_control: CacheControl | None = None


class Base64Pdf(Wire, frozen=True, tag="base64"):
    """A PDF that came along."""

    media_type: Literal["application/pdf"]
    data: str


class PlainSource(Wire, frozen=True, tag="text"):
    """A document of plain text."""

    media_type: Literal["text/plain"]
    data: str


class ContentSource(Wire, frozen=True, tag="content"):
    """A document in blocks."""

    content: str | list[TextBlock | ImageBlock]


class CitationsConfig(Wire, frozen=True):
    """Whether answers cite the document."""

    enabled: bool = False


class DocumentBlock(Wire, frozen=True, tag="document"):
    """A document."""

    source: Base64Pdf | PlainSource | ContentSource | UrlSource
    title: str | None = None
    context: str | None = None
    citations: CitationsConfig | None = None
    cache_control: CacheControl | None = None


class ThinkingBlock(Wire, frozen=True, tag="thinking"):
    """What the model thought, with the provider's proof of it."""

    thinking: str
    signature: str


class RedactedThinkingBlock(Wire, frozen=True, tag="redacted_thinking"):
    """What the model thought, which only the provider can read."""

    data: str


class DirectCaller(Wire, frozen=True):
    """The model itself called, not a program that it wrote."""

    type: Literal["direct"]


class ToolUseBlock(Wire, frozen=True, tag="tool_use"):
    """A tool call in the history; its input passes as it was written."""

    id: str
    name: str
    input: msgspec.Raw
    caller: DirectCaller | None = None
    toolset_name: None = None
    cache_control: CacheControl | None = None


class ToolResultBlock(Wire, frozen=True, tag="tool_result"):
    """What a call came to."""

    tool_use_id: str
    content: str | list[TextBlock | ImageBlock | DocumentBlock] | None = None
    is_error: bool | None = None
    toolset_name: None = None
    cache_control: CacheControl | None = None


Block = TextBlock | ImageBlock | DocumentBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock | ToolResultBlock


class WireMessage(Wire, frozen=True):
    """One message of the history."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class Tool(Wire, frozen=True):
    """A tool that the client runs. `type` is `custom`: every other is a server's tool."""

    name: ToolName
    input_schema: msgspec.Raw
    type: Literal["custom"] | None = None
    description: str | None = None
    strict: bool | None = None
    cache_control: CacheControl | None = None
    allowed_callers: list[Literal["direct"]] | None = None
    defer_loading: Literal[False] | None = None
    eager_input_streaming: Literal[False] | None = None


class Auto(Wire, frozen=True, tag="auto"):
    """The model decides."""

    disable_parallel_tool_use: bool | None = None


class AnyTool(Wire, frozen=True, tag="any"):
    """Some tool must be called."""

    disable_parallel_tool_use: bool | None = None


class OneTool(Wire, frozen=True, tag="tool"):
    """This tool must be called."""

    name: str
    disable_parallel_tool_use: bool | None = None


class NoTool(Wire, frozen=True, tag="none"):
    """No tool may be called."""


class ThinkingEnabled(Wire, frozen=True, tag="enabled"):
    """Think, with so many tokens."""

    budget_tokens: Tokens
    display: Literal["summarized", "omitted"] | None = None


class ThinkingAdaptive(Wire, frozen=True, tag="adaptive"):
    """Think as much as it takes."""

    display: Literal["summarized", "omitted"] | None = None


class ThinkingDisabled(Wire, frozen=True, tag="disabled"):
    """Do not think."""


class JsonFormat(Wire, frozen=True):
    """The schema of an answer; it passes as it was written."""

    type: Literal["json_schema"]
    schema: msgspec.Raw


class OutputConfig(Wire, frozen=True):
    """How much effort an answer is worth, and its form."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonFormat | None = None


class CountRequest(Wire, frozen=True):
    """What `count_tokens` may be sent: the part of a request that is counted."""

    model: str
    messages: list[WireMessage]
    system: str | list[TextBlock] | None = None
    tools: list[Tool] | None = None
    tool_choice: Auto | AnyTool | OneTool | NoTool | None = None
    thinking: ThinkingEnabled | ThinkingAdaptive | ThinkingDisabled | None = None
    output_config: OutputConfig | None = None
    cache_control: CacheControl | None = None


class MessagesRequest(CountRequest, frozen=True, kw_only=True):
    """What a client may send. Sampling fields count only when the model document lists them."""

    max_tokens: Tokens
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    metadata: dict[str, str | None] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
