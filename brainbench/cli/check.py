"""``brainbench check``."""

from __future__ import annotations

import click


@click.command(short_help="Does an encoder find what was planted?")
@click.argument("encoder")
@click.option(
    "--data", default="random", show_default=True, metavar="BACKBONE", help="Whose tokens the planted brains read."
)
@click.option("--seeds", default=3, show_default=True, metavar="N", help="How many seeds; medians are shown.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME.key=value", help="A setting of the encoder or of planted."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def check(encoder: str, data: str, seeds: int, device: str, settings: tuple[str, ...], as_json: bool) -> int:
    """Fit ENCODER, ours or a plugin's, to simulated brains whose voxels read a network's tokens through known selectors.

    Prints what the fit recovered beside what is expected of it; exit 0 when all is, 1 otherwise. A few minutes.
    """
    import os

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from dataclasses import asdict

    from brainbench.checking import check_encoder
    from brainbench.cli import progress
    from brainbench.registry import installed

    with progress.reporter() as report:
        findings = check_encoder(encoder, data, seeds, settings, device, installed(), report)
    if as_json:
        import json

        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        from brainbench.cli.table import show

        show(
            ["figure", "recovered", "expected", "verdict"],
            [[f.figure, f"{f.recovered:.3f}", f.expected, "good" if f.within else "off"] for f in findings],
        )
    return 0 if all(finding.within for finding in findings) else 1
