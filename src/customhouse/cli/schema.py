# SPDX-License-Identifier: Apache-2.0
"""`customhouse schema`: the JSON Schema of manifest files, for editors."""

import click

from customhouse.cli.output import emit
from customhouse.manifest.schema import front_matter_schema, manifest_schema


@click.command()
@click.option("--prompt", is_flag=True, help="The front matter of a prompt instead.")
def schema(*, prompt: bool) -> None:
    """Print the JSON Schema of manifest files, for editors."""
    emit(front_matter_schema() if prompt else manifest_schema(), as_json=True, render=str)
