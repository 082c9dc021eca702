# SPDX-License-Identifier: Apache-2.0
"""`customhouse init`: write a sample manifest to start from."""

from pathlib import Path

import click

from customhouse.cli.manifest_option import DEFAULT
from customhouse.cli.output import say


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=DEFAULT)
def init(*, directory: Path) -> None:
    """Write a sample manifest to DIRECTORY (default: manifest).

    Nothing that exists is overwritten.
    """
    from customhouse.manifest.sample import write_sample  # noqa: PLC0415 - only this command needs it

    for path in write_sample(directory):
        click.echo(path)
    option = "" if directory == DEFAULT else f" --manifest {directory}"
    say(f"next: customhouse check{option}")
