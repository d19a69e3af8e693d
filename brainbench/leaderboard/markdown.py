"""Boards -> the Markdown page: what it is, what it is not, what to run next; then the tables."""

from __future__ import annotations

from collections.abc import Sequence

from brainbench.leaderboard.board import Board
from brainbench.leaderboard.rows import Edition, RowKey
from brainbench.leaderboard.text_tables import INTERVAL, markdown, tables

SIMULATED = "Simulated brains, miniature networks: this shows that the tool works, not which model is brain-like."
NEXT_REAL = "brainbench run --dataset folder --data PATH --backbones all"
# Heading -> how to read it, for the boards that have it.
EXPLAINED = {
    "R2": "R2: share of the measured variance that is predicted on test images the fit never saw, mean over all voxels, "
    "then per ROI; 1 is perfect, 0 no better than the mean response.",
    "of ceiling": "of ceiling: R2 as a share of what the noise in the measurement leaves to be predicted.",
    INTERVAL: f"{INTERVAL}: where R2 would lie for these subjects with other test images (1,000 paired bootstrap draws) and other "
    "seeds; its centre is corrected for bias. rank: one more than the number of rows that are better beyond doubt, never a "
    "better one than the row above; rows that cannot be told apart share a rank.",
    "Pearson r": "Pearson r: correlation of predicted and measured responses, blind to their size and offset.",
    "slope": "slope, b0, b1: does the order of the layers follow V1, V2 and V3, OPA, EBA? "
    "A perfect hierarchy has slope 1, b0 0, b1 1.",
    "confidence": "confidence: 1 when every voxel reads one layer, 0 when it reads all alike.",
    "neighbour CKA": "neighbour r, neighbour CKA: how alike adjacent layers are, channel by channel and as far as a linear map "
    "can see; near 1, no encoder can tell them apart, and slope and confidence mean little.",
    "identifiability": "identifiability: share of what a fit reads of a layer that the neighbouring layer could not give "
    "instead; near 0 the layer map says nothing.",
    "grid r": "grid r: do voxels take most of the layers that predict best alone? Correlation over layers, mean over ROIs.",
    "rsa": "rsa: agreement of a layer's dissimilarities between images with the measured ones, for the best layer (optimistic); "
    "rsa ceiling: how well the other subjects do it.",
    "mIoU": "mIoU, k-way mIoU: do a layer's tokens fall into the classes of the masks? Of the layer that is best on the other half "
    "of the images, with class centres and threshold from the masks, and by clusters that never saw them; compare with the chance.",
    "aligned mIoU": "aligned mIoU: the same of the tokens as the fit's channel align gives them.",
    "RSSD": "RSSD: root mean square of what R2 lacks to the best network of the board, voxel by voxel; lower is better.",
    "seed r": "seed r, seed agreement: do fits with other seeds give the same layer map? Correlation of the places that voxels "
    "read, and share of voxels with the same best layer.",
}


def page(boards: Sequence[Board]) -> str:
    """The page of one dataset, one section an edition; the same boards give the same bytes."""
    first = boards[0].edition.records[0].dataset
    lines = [f"# Leaderboard: {first.title if first.title == first.name else f'{first.title} ({first.name})'}", ""]
    lines += _opening(boards[0].edition)
    for number, board in enumerate(boards):
        if len(boards) > 1:
            what = " ".join(filter(None, (f"dataset version {board.edition.version}", board.edition.settings)))
            lines += [f"## Edition {number + 1} of {len(boards)}: {what}", ""]
        lines += _section(board)
    return "\n".join(lines).rstrip() + "\n"


def _opening(edition: Edition) -> list[str]:
    facts = edition.records[0].dataset
    if facts.simulated:
        lines = [f"**{SIMULATED}**", "To rank real networks on real data, in the layout that the README describes:", ""]
    else:
        lines = [
            f"How well each network agrees with what was measured in {facts.title}, and which of its layers are read.",
            "It says nothing about other data, and a small difference may be noise. To add networks to it:",
            "",
        ]
    command = (
        NEXT_REAL if facts.simulated else f"brainbench run --dataset {facts.name} --data PATH --backbones NAME,NAME"
    )
    return [*lines, f"    {command}", ""]


def _section(board: Board) -> list[str]:
    lines = [*_explained(board), ""]
    for table in tables(board):
        lines += [f"### {table.title}", ""] if table.title else []
        lines += [table.note, ""] if table.note else []
        lines += [markdown(table.frame), ""]
    return lines + _incomplete(board) + _remarks(board) + _provenance(board.edition)


def _explained(board: Board) -> list[str]:
    headings = {c.heading for c in board.columns}
    intervals = {INTERVAL} if any(line.intervals for line in board.lines) else set()
    said = [text for heading, text in EXPLAINED.items() if heading in headings | intervals]
    first = "A row: a backbone with its weights, and an encoder. Figures: mean ± sd over subjects and seeds."
    last = "cells: jobs done of jobs asked for; incomplete rows come last. Best bold, second best italic."
    return [f"- {text}" for text in (first, *said, last)]


def _incomplete(board: Board) -> list[str]:
    reasons = sorted({reason for line in board.lines for reason in line.row.failures})
    return ["### What failed", "", *[f"- {_escaped(reason)}" for reason in reasons], ""] if reasons else []


def _remarks(board: Board) -> list[str]:
    found: dict[str, set[RowKey]] = {}
    for line in board.lines:
        for job in [*line.row.cells.values(), *line.row.tokens]:
            for name, result in job.items():
                for remark in filter(None, [result.not_applicable, *result.notes]):
                    found.setdefault(f"{name}: {remark}", set()).add(line.row.key)
        for record in line.row.records:
            for note in record.notes:
                found.setdefault(note, set()).add(line.row.key)
    everyone = {line.row.key for line in board.lines}
    notes = [f"- {_escaped(text)}{_whom(keys, everyone)}" for text, keys in sorted(found.items())]
    return ["### Notes", "", *notes, ""] if notes else []


def _whom(keys: set[RowKey], everyone: set[RowKey]) -> str:
    """The rows that a remark is about, as briefly as they can be named."""
    encoders = {key.encoder for key in keys}
    backbones = {key.backbone for key in keys}
    if keys == everyone:
        return ""
    if keys == {key for key in everyone if key.encoder in encoders}:
        return f" ({', '.join(sorted(encoders))})"
    if keys == {key for key in everyone if key.backbone in backbones}:
        return f" ({', '.join(sorted(backbones))})"
    return f" ({', '.join(sorted(f'{key.backbone} x {key.encoder}' for key in keys))})"


def _provenance(edition: Edition) -> list[str]:
    subjects = sorted({(r.dataset.subject, *_sizes(r.dataset)) for r in edition.records if r.dataset.split_hash})
    lines = ["### What stands behind it", "", f"- dataset {edition.dataset}, version {edition.version}"]
    lines += [
        f"- subject {name}: {voxels} voxels, {train} + {val} + {test} responses for train, val and test, split {split[:12]}"
        for name, voxels, train, val, test, split in subjects
    ]
    licences = sorted({r.dataset.licence for r in edition.records if r.dataset.licence})
    lines += [f"- data licence: {licence}" for licence in licences]
    networks: dict[str, set[str]] = {}
    for record in edition.records:
        if record.backbone.licence:
            networks.setdefault(record.backbone.licence, set()).add(record.backbone.name)
    lines += [f"- {', '.join(sorted(names))}: licence {licence}" for licence, names in sorted(networks.items())]
    versions: dict[str, set[str]] = {}
    for record in edition.records:
        for name, number in record.versions.items():
            versions.setdefault(name, set()).add(number)
    spelled = ", ".join(f"{name} {' and '.join(sorted(numbers))}" for name, numbers in sorted(versions.items()))
    return [*lines, f"- versions: {spelled}", ""]


def _sizes(facts: object) -> tuple[int, int, int, int, str]:
    sizes, voxels, split = facts.split_sizes, facts.voxels, facts.split_hash  # type: ignore[attr-defined]
    return voxels, sizes.get("train", 0), sizes.get("val", 0), sizes.get("test", 0), split


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
