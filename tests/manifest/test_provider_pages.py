# SPDX-License-Identifier: Apache-2.0
"""The providers that the how-to page shows are a manifest, and its deployments can be put to work."""

from pathlib import Path

from tests.docs.pages import ROOT, blocks

from customhouse.manifest.compile import deployment
from customhouse.manifest.load import load
from customhouse.planes.model.address import address
from customhouse.planes.model.document import Choice, Document, Posture
from customhouse.planes.model.reference import reference
from customhouse.planes.model.select import Route


def test_what_the_page_shows_loads_and_is_addressed_as_it_says(tmp_path: Path) -> None:
    page = ROOT / "docs" / "howto" / "connect-a-provider.md"
    shown = [block.text for block in blocks(page) if block.info == "yaml"]
    for number, text in enumerate(shown):
        (tmp_path / f"{number}.yaml").write_text(text)
    manifest = load(tmp_path)
    declared = manifest.declared
    assert set(declared.providers) == {"openai", "azure", "anthropic", "cluster"}
    found = {
        name: deployment(name, model, declared.providers[model.provider], manifest.prices)
        for name, model in declared.models.items()
    }
    Route(Document(deployments=found, route=(Choice(use=tuple(found)),), posture=Posture(use="hybrid")))
    text = page.read_text()
    azure = found["azure-chat"]
    assert address(azure, "/chat/completions").url.removeprefix(azure.base_url) in text
    assert all(reference(each) is not None for each in found.values())
