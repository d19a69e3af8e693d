"""The page of commands, made of what each command says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from mkdocs.structure.files import File, Files

from brainbench.cli import cli

WIDTH = 92


def on_files(files: Files, *, config: Any) -> Files:
    """Add ``commands.md``."""
    files.append(File.generated(config, "commands.md", content=page()))
    return files


def page() -> str:
    """The help of every command, as a terminal shows it."""
    parts = ["# Commands", "What `brainbench COMMAND --help` prints; this page is made of it."]
    for name, text in helps(cli, "brainbench"):
        parts += [f"## {name}", f"```text\n{text}\n```"]
    return "\n\n".join(parts) + "\n"


def helps(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    """(name, help) of a command and of all below it."""
    context = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH)
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from helps(found, below, context)
