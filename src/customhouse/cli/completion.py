# SPDX-License-Identifier: Apache-2.0
"""`customhouse completion SHELL`: print the script that makes the shell complete verbs and options."""

import click
from click.shell_completion import get_completion_class

from customhouse.cli.output import refuse


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the shell's completion script.

    For bash: eval "$(customhouse completion bash)" in ~/.bashrc; for zsh the same in ~/.zshrc; for fish:
    customhouse completion fish > ~/.config/fish/completions/customhouse.fish
    """
    found = get_completion_class(shell)
    if found is None:
        refuse(f"no completion for {shell}")
    click.echo(found(ctx.find_root().command, {}, "customhouse", "_CUSTOMHOUSE_COMPLETE").source())
