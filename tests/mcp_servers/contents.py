# SPDX-License-Identifier: Apache-2.0
"""What the everything-server holds, as on the wire: the names and texts that the conformance suite asks for."""

from typing import Any, Final

Json = dict[str, Any]

_PNG: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="  # 1 x 1
)
_WAV: Final = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="  # no samples

IMAGE: Final[Json] = {"type": "image", "data": _PNG, "mimeType": "image/png"}
_AUDIO: Final[Json] = {"type": "audio", "data": _WAV, "mimeType": "audio/wav"}


def text(words: str) -> Json:
    return {"type": "text", "text": words}


def embedded(uri: str, mime_type: str, words: str) -> Json:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime_type, "text": words}}


ANSWERS: Final[dict[str, Json]] = {
    "test_simple_text": {"content": [text("This is a simple text response for testing.")]},
    "test_image_content": {"content": [IMAGE]},
    "test_audio_content": {"content": [_AUDIO]},
    "test_embedded_resource": {
        "content": [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]
    },
    "test_multiple_content_types": {
        "content": [
            text("Multiple content types test:"),
            IMAGE,
            embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
        ]
    },
    "test_headers": {"content": [text("The header says what the body says.")]},
    "json_schema_2020_12_tool": {"content": [text("The arguments fit the schema.")]},
    "test_error_handling": {"content": [text("This tool intentionally returns an error for testing")], "isError": True},
}
"""Tools that always answer the same."""

RESOURCES: Final[dict[str, Json]] = {
    "test://static-text": {"mimeType": "text/plain", "text": "This is the content of the static text resource."},
    "test://static-binary": {"mimeType": "image/png", "blob": _PNG},
    "test://watched-resource": {"mimeType": "text/plain", "text": "Watched resource content"},
}
TEMPLATE: Final = ("test://template/", "/data")
"""What stands before and after the id."""

PROMPTS: Final[dict[str, tuple[str, ...]]] = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
    "test_input_required_result_prompt": (),
}
"""Each prompt's arguments, all required."""


def said(prompt: str, arguments: dict[str, str]) -> list[Json]:
    """Return the contents of a prompt's messages."""
    match prompt:
        case "test_simple_prompt":
            return [text("This is a simple prompt for testing.")]
        case "test_prompt_with_arguments":
            return [text(f"Prompt with arguments: arg1='{arguments['arg1']}', arg2='{arguments['arg2']}'")]
        case "test_prompt_with_embedded_resource":
            resource = embedded(arguments["resourceUri"], "text/plain", "Embedded resource content for testing.")
            return [resource, text("Please process the embedded resource above.")]
        case "test_prompt_with_image":
            return [IMAGE, text("Please analyze the image above.")]
        case _:
            raise KeyError(prompt)


def form(**properties: Json) -> Json:
    """Return the schema of a form whose fields are all required."""
    return {"type": "object", "properties": properties, "required": list(properties)}


USER: Final = form(username={"type": "string"}, email={"type": "string"})
DEFAULTS: Final[Json] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
}
_TITLED: Final = [{"const": f"value{n}", "title": f"{word} Option"} for n, word in enumerate(("First", "Second"), 1)]
_UNTITLED: Final = ["option1", "option2", "option3"]
ENUMS: Final = form(
    untitledSingle={"type": "string", "enum": _UNTITLED},
    titledSingle={"type": "string", "oneOf": _TITLED},
    legacyEnum={"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]},
    untitledMulti={"type": "array", "items": {"type": "string", "enum": _UNTITLED}},
    titledMulti={"type": "array", "items": {"anyOf": _TITLED}},
)


def elicitation(message: str, schema: Json) -> Json:
    return {"method": "elicitation/create", "params": {"mode": "form", "message": message, "requestedSchema": schema}}


def sampling(prompt: str, max_tokens: int = 100) -> Json:
    messages = [{"role": "user", "content": text(prompt)}]
    return {"method": "sampling/createMessage", "params": {"messages": messages, "maxTokens": max_tokens}}


ROOTS: Final[Json] = {"method": "roots/list", "params": {}}
_NAME: Final = form(name={"type": "string"})

ROUNDS: Final[dict[str, tuple[dict[str, Json], ...]]] = {
    "test_input_required_result_elicitation": ({"user_name": elicitation("What is your name?", _NAME)},),
    "test_input_required_result_sampling": ({"capital_question": sampling("What is the capital of France?")},),
    "test_input_required_result_list_roots": ({"client_roots": ROOTS},),
    "test_input_required_result_request_state": ({"confirm": elicitation("Confirm?", form(ok={"type": "boolean"}))},),
    "test_input_required_result_tampered_state": ({"confirm": elicitation("Confirm?", form(ok={"type": "boolean"}))},),
    "test_input_required_result_multiple_inputs": (
        {
            "user_name": elicitation("What is your name?", _NAME),
            "greeting": sampling("Generate a greeting", 50),
            "client_roots": ROOTS,
        },
    ),
    "test_input_required_result_multi_round": (
        {"step1": elicitation("Step 1: What is your name?", _NAME)},
        {"step2": elicitation("Step 2: What is your favorite color?", form(color={"type": "string"}))},
    ),
    "test_input_required_result_capabilities": (
        {"user_name": elicitation("What is your name?", _NAME), "greeting": sampling("Generate a greeting")},
    ),
    "test_input_required_result_prompt": (
        {"user_context": elicitation("What context should the prompt use?", form(context={"type": "string"}))},
    ),
    "test_streaming_elicitation": ({"user_name": elicitation("What is your name?", _NAME)},),
}
"""Tools (and one prompt) of revision 2026-07-28 that ask back: what each asks, round by round."""

CALLING: Final = {
    "test_tool_with_logging": None,
    "test_logging_tool": None,
    "test_tool_with_progress": None,
    "test_sampling": "prompt",
    "test_elicitation": "message",
    "test_elicitation_sep1034_defaults": None,
    "test_elicitation_sep1330_enums": None,
    "test_missing_capability": None,
    "test_trigger_tool_change": None,
    "test_trigger_prompt_change": None,
}
"""Tools that do something towards the client, each with its argument."""

TOOLS: Final = (*ANSWERS, *CALLING, *(name for name in ROUNDS if name != "test_input_required_result_prompt"))


_SCHEMAS: Final[dict[str, Json]] = {
    "test_headers": form(region={"type": "string", "x-mcp-header": "Region"}),
    "json_schema_2020_12_tool": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    },
    **{name: form(**{argument: {"type": "string"}}) for name, argument in CALLING.items() if argument},
}
_NO_ARGUMENTS: Final[Json] = {"type": "object", "properties": {}}


def tool(name: str) -> Json:
    """Return a tool as `tools/list` tells it."""
    schema = _SCHEMAS.get(name, _NO_ARGUMENTS)
    return {"name": name, "description": f"Everything-server: {name}", "inputSchema": schema}
