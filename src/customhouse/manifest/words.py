# SPDX-License-Identifier: Apache-2.0
"""The kinds of text that a manifest is written in: one annotated type each, for the reader and for the JSON Schema.

`extra["expected"]` is what an error says was expected. `extra["scalar"] == "decimal"` lets an unquoted number stand for
its text, so that 0.2 never becomes a binary fraction. `extra["secret"]` keeps a wrong value out of the error.
"""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from customhouse.budget.limit import MAX_COUNT, MONEY_FORM
from customhouse.domain.price import DOLLARS_FORM

Name = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}(?![\s\S])",
        description="A name.",
        extra={"expected": "a name (letters, digits, '_', '-', '.'; at most 64)"},
    ),
]
ToolName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_\-]{1,64}(?![\s\S])",
        description="A tool's name, as every provider accepts it.",
        extra={"expected": "a tool's name (letters, digits, '_', '-'; at most 64)"},
    ),
]
VariableName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_]{0,63}(?![\s\S])",
        description="The name of a prompt variable.",
        extra={"expected": "a variable's name (lower-case letters, digits, '_')"},
    ),
]
Email = Annotated[
    str,
    Meta(
        pattern=r"^[^@\s:/]{1,64}@[^@\s:/]{1,190}(?![\s\S])",
        description="One person, by e-mail address.",
        extra={"expected": "one person's e-mail address"},
    ),
]
Approver = Annotated[
    str,
    Meta(
        pattern=r"^(group:[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}|[^@\s:/]{1,64}@[^@\s:/]{1,190})(?![\s\S])",
        description="A person by e-mail address, or a group as `group:NAME`.",
        extra={"expected": "an e-mail address or group:NAME"},
    ),
]
Text = Annotated[str, Meta(min_length=1, max_length=8000, extra={"expected": "text"})]
Word = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:\-]{0,63}(?![\s\S])",
        extra={"expected": "one word (letters, digits, '_', '-', '.', ':')"},
    ),
]
Date = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(?![\s\S])",
        description="A date.",
        extra={"expected": "a date like 2027-06-01"},
    ),
]
Duration = Annotated[
    str,
    Meta(
        pattern=r"^[1-9][0-9]{0,4}[smhd](?![\s\S])",
        description="A length of time, for example 15m.",
        extra={"expected": "a length of time like 30s, 15m, 2h or 1d"},
    ),
]
DecimalText = Annotated[
    str,
    Meta(
        pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,9})?(?![\s\S])",
        description="A decimal number; kept as written.",
        extra={"expected": "a decimal number", "scalar": "decimal"},
        extra_json_schema={"decimal": True},
    ),
]
Dollars = Annotated[
    str,
    Meta(
        pattern=DOLLARS_FORM,
        description="US dollars per million tokens, a decimal number.",
        extra={"expected": "US dollars per million tokens, like 0.15", "scalar": "decimal"},
        extra_json_schema={"decimal": True},
    ),
]
Sha256 = Annotated[
    str,
    Meta(
        pattern=r"^sha256:[0-9a-f]{64}(?![\s\S])",
        description="A digest.",
        extra={"expected": "'sha256:' and 64 lower-case hex digits"},
    ),
]
SecretName = Annotated[
    str,
    Meta(
        pattern=r"^\$\{[A-Z_][A-Z0-9_]{0,99}\}(?![\s\S])",
        description="A secret, only by the name of an environment variable: ${NAME}.",
        extra={"expected": 'the name of an environment variable as "${NAME}"', "secret": "yes"},
    ),
]
ApiVersion = Annotated[
    str,
    Meta(
        pattern=r"^(v1|20[0-9]{2}-[01][0-9]-[0-3][0-9](-preview)?)(?![\s\S])",
        description="The API version of an Azure OpenAI resource: a date, or v1 for the surface that has none.",
        extra={"expected": "v1, or an API version like 2024-10-21"},
    ),
]
HttpUrl = Annotated[
    str,
    Meta(
        pattern=r"^https?://[A-Za-z0-9.\-\[\]:]{1,255}(/[A-Za-z0-9._~%!$&'()*+,;=:\-/]{0,1000})?(?![\s\S])",
        description="An http or https address without user, query or fragment.",
        extra={"expected": "an http(s) address without user, password, query or fragment", "secret": "yes"},
    ),
]
Expression = Annotated[
    str, Meta(min_length=1, max_length=1000, description="A CEL expression.", extra={"expected": "a CEL expression"})
]
PromptPath = Annotated[
    str,
    Meta(
        pattern=r"^prompts/[A-Za-z0-9_.\-/]{1,200}\.md(?![\s\S])",
        description="The file of a prompt.",
        extra={"expected": "a prompt's file like prompts/support.md"},
    ),
]
Count = Annotated[int, Meta(ge=0, le=1_000_000, extra={"expected": "a whole number from 0 to 1000000"})]
Allowed = Annotated[int, Meta(ge=1, le=MAX_COUNT, extra={"expected": f"a whole number from 1 to {MAX_COUNT}"})]
Money = Annotated[
    str,
    Meta(
        pattern=MONEY_FORM,
        description="US dollars, to the micro-dollar; kept as written.",
        extra={"expected": "US dollars like 12.50, with six places at most", "scalar": "decimal"},
        extra_json_schema={"decimal": True},
    ),
]
Dimensions = Annotated[int, Meta(ge=1, le=16_384, extra={"expected": "a whole number from 1 to 16384"})]
PromptTokens = Annotated[int, Meta(ge=1, le=1_000_000_000, extra={"expected": "a whole number from 1 to 1000000000"})]
Opaque = Annotated[
    dict[str, Any], Meta(description="Kept and versioned; not enforced yet.", extra={"expected": "a mapping"})
]

Feature = Literal["tools", "json_schema", "vision", "audio", "reasoning"]
"""What a deployment can do beyond text, and what a prompt may ask for."""

DeploymentFeature = Literal[Feature, "max_completion_tokens", "dimensions"]
"""What a deployment can do; `max_completion_tokens` says under which name it takes the bound of an answer, `dimensions`
that it is told how many a vector shall have."""

SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(duration: str) -> int:
    """Return a Duration in seconds."""
    return int(duration[:-1]) * SECONDS[duration[-1]]


def secret_name(secret: str) -> str:
    """Return the environment variable that a SecretName names."""
    return secret[2:-1]
