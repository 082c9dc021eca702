# SPDX-License-Identifier: Apache-2.0
"""The names inside documents and charters, held to what a manifest allows. Pure.

The control API takes documents from any client, not only from the manifest's compiler, and a name travels: into a
response header, an evidence record of 8 KB, a line of a terminal. So each is bounded, has no line feed and nothing that
moves a cursor; which characters it may have is said once, in `manifest/words.py`.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from customhouse.manifest.policy import OnServer
from customhouse.manifest.tool import EnvironmentName, HeaderName, ServersName, UrlPath
from customhouse.manifest.words import (
    ApiVersion,
    Approver,
    HttpUrl,
    Name,
    SecretName,
    Sha256,
    ToolName,
    VariableName,
    Word,
)
from customhouse.planes.model.document import Deployment
from customhouse.planes.tools.document import Server
from customhouse.registry.charter import Charter
from customhouse.registry.documents import Documents

MAX_FALLBACK_CHARACTERS: Final = 4000
MAX_ON_CALL_CHARACTERS: Final = 500

ModelName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/@+\-]{0,127}(?![\s\S])")]
"""A provider's own name for a model; the manifest takes any text, a header and a record do not."""
Line = Annotated[str, msgspec.Meta(max_length=254)]
"""Any text of one line."""
OnCall = Annotated[str, msgspec.Meta(max_length=MAX_ON_CALL_CHARACTERS)]
Paragraphs = Annotated[str, msgspec.Meta(max_length=MAX_FALLBACK_CHARACTERS)]
"""The only texts that may have line feeds."""


class _Held(NamedTuple):
    what: str
    form: Any
    texts: Iterable[str | None]


def misnamed(documents: Documents, charter: Charter) -> str | None:
    """Return what is wrong with the first name that breaks its bounds, without showing it raw, or None."""
    for what, form, texts in (*_model(documents), *_others(documents), *_charter(charter)):
        for text in texts:
            if text is not None and not _fits(text, form):
                return f"{what} cannot be {text[:80]!a}: it is too long, or has characters that no manifest may use"
    return None


def _fits(text: str, form: Any) -> bool:  # noqa: ANN401 - an annotated type, as msgspec takes it
    shown = text.replace("\n", " ") if form is Paragraphs else text
    try:
        msgspec.convert(f"${{{text}}}" if form is SecretName else text, form)
    except msgspec.ValidationError:
        return False
    return shown.isprintable()


def _model(documents: Documents) -> Iterator[_Held]:
    model = documents.model
    deployments: tuple[Deployment, ...] = tuple(model.deployments.values())
    yield _Held("a deployment's name", Name, model.deployments)
    yield _Held("a provider's name", Name, (each.provider for each in deployments))
    yield _Held("a model's name", ModelName, (each.model for each in deployments))
    yield _Held("a region", Word, (each.region for each in deployments))
    yield _Held("an address", HttpUrl, (each.base_url for each in deployments))
    yield _Held("a credential's name", SecretName, (each.api_key_env for each in deployments))
    yield _Held("a credential's name", Name, (each.api_key_file for each in deployments))
    yield _Held("a credential's name", Name, (each.api_key_command for each in deployments))
    yield _Held("an API version", ApiVersion, (each.azure and each.azure.api_version for each in deployments))
    for files in ([each.weights for each in deployments], [each.tokenizer for each in deployments]):
        yield _Held("a digest of weights", Sha256, (each and each.digest for each in files))
    yield _Held("who approved a deployment", Line, (each.approved_by for each in deployments))
    yield _Held("an alias", Name, model.aliases)


def _others(documents: Documents) -> Iterator[_Held]:
    prompt, tools, safety = documents.prompt, documents.tools, documents.safety
    yield _Held("a prompt's file", Line, (prompt.source,))
    yield _Held("a variable's name", VariableName, prompt.variables)
    yield _Held("a tool's name", ToolName, tools.grants)
    yield _Held(
        "an approver",
        Approver,
        (who for each in tools.grants.values() if each.approval for who in each.approval.approvers),
    )
    yield _Held("a tool server's name", Name, tools.servers)
    servers = [server for server in tools.servers.values() if isinstance(server, Server)]
    yield _Held("a tool server's address", HttpUrl, (server.url for server in servers))
    yield _Held("a part of a tool server's command", Line, (part for server in servers for part in server.command))
    yield _Held("the digest of a program", Sha256, (server.executable for server in servers))
    yield _Held("a header's name", HeaderName, (header for server in servers for header in server.headers))
    yield _Held("a variable's name", EnvironmentName, (name for server in servers for name in server.env))
    secrets = (name for server in servers for name in (*server.headers.values(), *server.env.values()))
    yield _Held("a credential's name", SecretName, secrets)
    yield _Held("a tool's name on its server", ServersName, (each.named for each in tools.grants.values()))
    paths = (each.http and each.http.path for each in tools.grants.values())
    yield _Held("a tool's path", UrlPath, paths)
    yield _Held("a pin", Sha256, (each.pin for each in tools.grants.values()))
    yield _Held("what MCP clients may read", OnServer, (*tools.resources, *tools.prompts))
    yield _Held("a workflow's name", Name, tools.workflows)
    yield _Held("a source's name", Name, documents.retrieval.sources)
    yield _Held("a safety policy's name", Name, (safety.name,))
    yield _Held("a region", Word, safety.residency)


def _charter(charter: Charter) -> Iterator[_Held]:
    yield _Held("a person", Line, (charter.owner, charter.deputy))
    yield _Held("a group", Line, charter.groups)
    yield _Held("a member of a group", Line, (who for members in charter.groups.values() for who in members))
    yield _Held("a regulation", Word, charter.regulation)
    yield _Held("the on-call path", OnCall, (charter.on_call,))
    yield _Held("the fallback answer", Paragraphs, (charter.fallback,))
    yield _Held("the purpose", Paragraphs, (charter.purpose,))
