"""`mesh completion SHELL`."""

import rich_click as click
from click.shell_completion import get_completion_class

from tools.ctl.output import emit


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    bash: eval "$(mesh completion bash)" in ~/.bashrc; zsh: the same with zsh in ~/.zshrc, after
    autoload -Uz compinit; compinit; fish: mesh completion fish > ~/.config/fish/completions/mesh.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click knows the three shells of the choice"
    emit(kind(ctx.find_root().command, {}, "mesh", "_MESH_COMPLETE").source())
