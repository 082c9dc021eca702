# SPDX-License-Identifier: Apache-2.0
"""Refuses what OpenAI's Responses API refuses, in its words: shapes by the SDK's types, then rules among the items.

Sources: openai 3.54.0, types/responses/response_create_params.py; the rules are those the provider documents (outputs
belong to calls, calls get outputs, reasoning is followed by what it led to, ids keep their prefix). One laxity that the
types do not show: an assistant's message may hold `output_text` parts without id, status or annotations.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from tests.upstream.responses import ENCRYPTED, RESPONSE_ID, failure
from tests.upstream.shape import Misfit, misfit
from tests.upstream.wire import Received, Reply

Body = Mapping[str, Any]
LEAST_OUTPUT_TOKENS: Final = 16
LONGEST_CALL_ID: Final = 64
PREFIXES: Final = {"message": "msg", "function_call": "fc", "reasoning": "rs", "custom_tool_call": "ctc"}
SAID_BY_ASSISTANT: Final = ("output_text", "refusal")
OUTPUTS: Final = {"function_call_output": "function_call", "custom_tool_call_output": "custom_tool_call"}
NUMBERS: Final = {"temperature": (0, 2), "top_p": (0, 1), "top_logprobs": (0, 20)}


class Refused(Exception):
    """The provider would not take this request."""

    def __init__(self, said: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(said)
        self.said, self.param, self.code = said, param, code


def refusal(request: Received) -> Reply | None:
    """Return the refusal of this request, or None when the provider would answer it."""
    try:
        check(request.body)
    except Refused as refused:
        kind = "invalid_request_error"
        return failure(400, kind, refused.said, code=refused.code, param=refused.param)
    return None


def check(body: Body) -> None:
    """Raise what is wrong with a request."""
    for name in ("model",) if "previous_response_id" in body else ("model", "input"):
        if name not in body:
            raise _missing(name)
    of = ResponseCreateParamsStreaming if body.get("stream") is True else ResponseCreateParamsNonStreaming
    found = misfit({**body, "input": _filled(body.get("input", ""))}, of)
    if found is not None:
        raise shape(found)
    rules: tuple[Callable[[Body], None], ...] = (_limits, _tools, _previous, _items, _calls, _thoughts)
    for rule in rules:
        rule(body)


def _missing(where: str) -> Refused:
    return Refused(f"Missing required parameter: '{where}'.", param=where, code="missing_required_parameter")


def shape(found: Misfit) -> Refused:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found.path).removeprefix(".")
    match found.kind:
        case "missing":
            return _missing(where)
        case "unknown":
            return Refused(f"Unknown parameter: '{where}'.", param=where, code="unknown_parameter")
        case "value":
            said = f"Invalid value: '{found.found}'. Supported values are: {found.expected}."
            return Refused(said, param=where, code="invalid_value")
        case "type":
            said = f"Invalid type for '{where}': expected {found.expected}, but got {_name(found.found)} instead."
            return Refused(said, param=where, code="invalid_type")


def _name(value: object) -> str:
    names: dict[str, str] = {"str": "a string", "bool": "a boolean", "int": "an integer", "float": "a decimal"}
    return "null" if value is None else names.get(type(value).__name__, "an array or object")


def _filled(given: Any) -> Any:  # noqa: ANN401
    """Give an assistant's message what the types ask for and the provider does not."""
    if not isinstance(given, list):
        return given
    return [_filled_message(item, number) for number, item in enumerate(cast("list[Any]", given))]


def _filled_message(item: Any, number: int) -> Any:  # noqa: ANN401
    if not isinstance(item, dict):
        return item
    message = cast("dict[str, Any]", item)
    if message.get("role") != "assistant" or not isinstance(message.get("content"), list):
        return message
    content = cast("list[dict[str, Any]]", message["content"])
    for at, part in enumerate(content):
        if part.get("type") not in SAID_BY_ASSISTANT:
            said = f"Invalid value: '{part.get('type')}'. Supported values are: 'output_text' and 'refusal'."
            raise Refused(said, param=f"input[{number}].content[{at}].type", code="invalid_value")
    note: dict[str, Any] = {"annotations": []}
    parts = [{**note, **part} if part["type"] == "output_text" else part for part in content]
    return {"id": "msg_filled", "status": "completed", "type": "message", **message, "content": parts}


def _limits(body: Body) -> None:
    most = body.get("max_output_tokens")
    if most is not None and most < LEAST_OUTPUT_TOKENS:
        said = f"integer below minimum value. Expected a value >= {LEAST_OUTPUT_TOKENS}, but got {most} instead."
        name = "max_output_tokens"
        raise Refused(f"Invalid '{name}': {said}", param=name, code="integer_below_min_value")
    for name, (least, largest) in NUMBERS.items():
        value = body.get(name)
        if value is not None and not least <= value <= largest:
            said = f"Invalid '{name}': expected a value between {least} and {largest}, but got {value} instead."
            raise Refused(said, param=name, code="decimal_above_max_value")


def _tools(body: Body) -> None:
    named = [tool["name"] for tool in body.get("tools", ()) if "name" in tool]
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "function" and choice["name"] not in named:  # pyright: ignore[reportUnknownMemberType]
        raise Refused(f"Tool choice 'function' not found in 'tools' parameter: {choice['name']}.", param="tool_choice")
    if choice == "required" and not body.get("tools"):
        raise Refused("Tool choice 'required' must be specified with 'tools' parameter.", param="tool_choice")


def _previous(body: Body) -> None:
    previous = body.get("previous_response_id")
    if previous is not None and previous != RESPONSE_ID:
        said = f"Previous response with id '{previous}' not found."
        raise Refused(said, param="previous_response_id", code="previous_response_not_found")


def _items(body: Body) -> None:
    for number, item in enumerate(_input(body)):
        where = f"input[{number}]"
        prefix = PREFIXES.get(item.get("type", "message"))
        given = item.get("id")
        if prefix is not None and given is not None and not given.startswith(prefix):
            said = f"Invalid '{where}.id': '{given}'. Expected an ID that begins with '{prefix}'."
            raise Refused(said, param=f"{where}.id", code="invalid_value")
        called = item.get("call_id")
        if called is not None and not 0 < len(called) <= LONGEST_CALL_ID:
            said = f"string too long. Expected a string with maximum length {LONGEST_CALL_ID}, got {len(called)}."
            raise Refused(
                f"Invalid '{where}.call_id': {said}", param=f"{where}.call_id", code="string_above_max_length"
            )


def _calls(body: Body) -> None:
    """Calls of the previous response count; the script cannot know which it made, so any output may be theirs."""
    items = _input(body)
    for kind_of_output, kind in OUTPUTS.items():
        made = [item["call_id"] for item in items if item.get("type") == kind]
        answered = [item.get("call_id") for item in items if item.get("type") == kind_of_output]
        said = kind.replace("function_call", "function call").replace("custom_tool_call", "custom tool call")
        for called in answered:
            if called not in made and "previous_response_id" not in body:
                raise Refused(f"No tool call found for {said} output with call_id {called}.", param="input")
        for called in made:
            if called not in answered:
                raise Refused(f"No tool output found for {said} {called}.", param="input")


def _thoughts(body: Body) -> None:
    items = _input(body)
    for number, item in enumerate(items):
        if item.get("type") != "reasoning":
            continue
        follower = items[number + 1] if number + 1 < len(items) else {"role": "user"}
        if follower.get("role") in {"user", "system", "developer"} or follower.get("type", "message") in OUTPUTS:
            raise Refused(
                f"Item '{item['id']}' of type 'reasoning' was provided without its required following item.",
                param="input",
            )
        if item.get("encrypted_content") not in {None, ENCRYPTED}:
            said = f"The encrypted content for item {item['id']} could not be verified."
            raise Refused(said, code="invalid_encrypted_content")


def _input(body: Body) -> Sequence[dict[str, Any]]:
    given = body.get("input", ())
    return () if isinstance(given, str) else given
