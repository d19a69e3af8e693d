"""The command line: one command a file; only click is imported before it is known which command was asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from brainbench.cli.cache import cache
from brainbench.cli.check import check
from brainbench.cli.cite import cite
from brainbench.cli.data import data
from brainbench.cli.leaderboard import leaderboard
from brainbench.cli.list import list_
from brainbench.cli.new import new
from brainbench.cli.plot import plot
from brainbench.cli.plugins import plugins
from brainbench.cli.predict import predict
from brainbench.cli.report import report
from brainbench.cli.run import run
from brainbench.cli.status import status
from brainbench.cli.tune import tune
from brainbench.cli.weights import weights
from brainbench.errors import BrainbenchError, did_you_mean

INTERRUPTED = 130


class Commands(click.Group):
    """A group that answers an unknown command with the one that was probably meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one is close."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            names = self.list_commands(ctx)
            ctx.fail(f"no command {args[0]!r}{did_you_mean(args[0], names)}; there are: {', '.join(names)}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="brainbench", prog_name="brainbench")
@click.pass_context
def cli(context: click.Context) -> None:
    """Which layers of a vision network does the human visual cortex read, how well, and how do networks compare?

    Start with `brainbench run`: it needs no data and no download and writes leaderboards/demo.md. Then
    `brainbench run --dataset folder --data PATH` does the same with your own images and responses.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (
    run,
    status,
    tune,
    list_,
    plugins,
    check,
    new,
    data,
    leaderboard,
    plot,
    predict,
    report,
    cite,
    weights,
    cache,
):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 some jobs failed, 2 bad usage or input (one line), 130 interrupted."""
    try:
        given = None if arguments is None else [*arguments]
        code = cli.main(given, prog_name="brainbench", standalone_mode=False)
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "brainbench"
        click.echo(f"{where}: {error.format_message()} (see {where} --help)", err=True)
        sys.exit(2)
    except BrainbenchError as error:
        click.echo(f"brainbench: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
    except UnicodeEncodeError as error:
        if error.encoding != sys.getfilesystemencoding():
            raise
        letter = error.object[error.start]
        message = f"this locale cannot write {letter!a} in the name of a file: set LC_ALL=C.UTF-8 or PYTHONUTF8=1"
        click.echo(f"brainbench: {message}", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt) as stop:
        # click raises an exception of its own for the one that stopped the run; before 8.2 it does not name it as the cause.
        where = f"{stop.__cause__ or stop.__context__ or stop}"
        kept = "; ".join(["interrupted", *([where] if where else []), "finished jobs are kept"])
        click.echo(f"brainbench: {kept}. Run the same command again to resume.", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)
