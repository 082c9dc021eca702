# SPDX-License-Identifier: Apache-2.0
"""Which names a credential may have: none that is the gateway's own, none that is a path."""

import msgspec
import pytest
from tests.planes.model.test_call import deployment

from customhouse.outgoing.reference import Kind, Reference, refusal
from customhouse.planes.model.document import Choice, Document, Posture
from customhouse.planes.model.reference import reference
from customhouse.planes.model.select import Route


@pytest.mark.parametrize(
    ("kind", "name", "allowed"),
    [
        ("env", "OPENAI_API_KEY", True),
        ("env", "AZURE_KEY_2", True),
        ("env", "CUSTOMHOUSE_DATABASE", False),  # our own URL, with its password
        ("env", "CUSTOMHOUSE_ANYTHING", False),
        ("env", "PGPASSWORD", False),  # libpq's
        ("env", "OTEL_EXPORTER_OTLP_HEADERS", False),  # the collector's credentials
        ("env", "DATABASE_URL", False),
        ("env", "LD_PRELOAD", False),
        ("env", "PATH", False),
        ("env", "lower", False),
        ("env", "A B", False),
        ("file", "azure-key", True),
        ("file", "azure.key", True),
        ("file", "../keys/root.key", False),
        ("file", "/etc/shadow", False),
        ("file", ".hidden", False),
        ("file", "", False),
        ("file", "a/b", False),
        ("file", "a\nb", False),
        ("file", "x" * 65, False),
        ("command", "entra-token", True),
        ("command", "../../bin/sh", False),
        ("command", "sh -c id", False),
    ],
)
def test_which_names_may_be_looked_up(kind: Kind, name: str, *, allowed: bool) -> None:
    assert (refusal(Reference(kind, name)) is None) is allowed


def test_a_deployment_names_one_credential_or_none() -> None:
    plain = deployment("http://upstream.test/v1")
    assert reference(plain) is None
    assert reference(msgspec.structs.replace(plain, api_key_file="k")) == Reference("file", "k")
    assert reference(msgspec.structs.replace(plain, api_key_command="k")) == Reference("command", "k")
    with pytest.raises(ValueError, match="two credentials: the variable KEY and file k"):
        reference(msgspec.structs.replace(plain, api_key_env="KEY", api_key_file="k"))


@pytest.mark.parametrize(
    "fields",
    [{"api_key_env": "CUSTOMHOUSE_DATABASE"}, {"api_key_file": "../keys/root.key"}, {"api_key_command": "/bin/sh"}],
)
def test_a_document_that_names_one_of_ours_cannot_be_put_to_work(fields: dict[str, str]) -> None:
    bad = msgspec.structs.replace(deployment("http://upstream.test/v1"), **fields)
    document = Document(deployments={"small": bad}, route=(Choice(use=("small",)),), posture=Posture(use="self_hosted"))
    with pytest.raises(ValueError, match="credential"):
        Route(document)
