# SPDX-License-Identifier: Apache-2.0
"""In which dialect a deployment is asked: its provider's or, where it embeds texts, OpenAI's embeddings. Pure."""

from customhouse.dialects.provider import EMBEDDINGS, PROVIDERS, ProviderDialect
from customhouse.planes.model.document import Deployment


def spoken(deployment: Deployment) -> ProviderDialect:
    """Return the dialect. Embedding models are released at providers that have OpenAI's endpoint alone."""
    return EMBEDDINGS if deployment.kind == "embedding" else PROVIDERS[deployment.dialect]
