"""A table of one metric, in files of its own: for values that do not belong on a leaderboard, such as seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from brainbench.cards import MetricCard
from brainbench.leaderboard.board import board, frame
from brainbench.leaderboard.rows import Edition
from brainbench.leaderboard.text_tables import csv, markdown, overall
from brainbench.util.files import file_name
from brainbench.util.texts import markdown_line, markdown_text


def own_table(dataset: str, card: MetricCard, editions: Sequence[Edition]) -> dict[Path, str]:
    """Return ``<dataset>.<metric>.md`` and ``.csv``: the rows of a leaderboard, unranked, mean ± sd over subjects and seeds.

    editions: with the records of fitted encoders, which have only this metric.
    """
    facts = editions[0].records[0].dataset
    lines = [f"# {markdown_text(f'{card.name}: {dataset}')}", "", f"{card.summary[:1].upper()}{card.summary[1:]}.", ""]
    if facts.simulated:
        lines += ["Simulated brains: this says nothing of a run on real data.", ""]
    frames = []
    for number, edition in enumerate(editions):
        table = replace(board(edition), ceiling={})
        if len(editions) > 1:
            what = " ".join(filter(None, (f"dataset version {edition.version}", edition.settings)))
            lines += [f"## Edition {number + 1} of {len(editions)}: {markdown_text(what)}", ""]
        text = overall(table, [*table.ranked, *table.controls], ranks=False)
        lines += [markdown(text), ""]
        lines += [*[f"- {markdown_line(note)}" for note in _notes(edition)], ""]
        frames.append(frame(table).drop(columns="rank"))
    name = f"{dataset}.{card.name.replace('/', '-')}"
    return {
        Path(f"{file_name(name)}.md"): "\n".join(lines).rstrip() + "\n",
        Path(f"{file_name(name)}.csv"): csv(pd.concat(frames, ignore_index=True)),
    }


def _notes(edition: Edition) -> list[str]:
    said = [result for record in edition.records for result in record.metrics.values()]
    return sorted({text for result in said for text in filter(None, [result.not_applicable, *result.notes])})
