"""The published tables of *Brain Decodes Deep Nets*, and the sections that show them below a board."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

CITATION = (
    "Huzheng Yang, James Gee and Jianbo Shi: *Brain Decodes Deep Nets*. IEEE/CVF Conference on Computer Vision and "
    "Pattern Recognition (CVPR), 2024."
)
OTHER_DATA = "**These rows come from other data than this board's: do not compare them number by number.**"
SAME_DATA = {
    "nsd": "They are of the same experiment, but not of the same split: a small difference means nothing.",
    "algonauts2023": (
        "The Algonauts 2023 release is of the same experiment, but averages the responses to one image, which alone raises R2; "
        "here they are single trials."
    ),
}
_WHAT_IT_IS = (
    "Copied from the paper, unranked, and no part of the ranks above. Every row is a FactorTopy fit to single trials of NSD; R2 is "
    "raw, not divided by a noise ceiling, on a test set that also chose which checkpoints were averaged (section 4.1, appendix E). "
    "card: the backbone here that is the same network, where there is no doubt which. V4 is hV4 here."
)


def folder() -> Path:
    """Return the folder of the tables: inside the package in a wheel, ``leaderboards/paper`` in a checkout."""
    packaged = Path(__file__).parents[1] / "published"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "leaderboards" / "paper"


def table(number: int) -> pd.DataFrame:
    """Return one published table.

    Every cell is the printed text (``0.110`` keeps its last digit), empty if nothing is printed.
    """
    return pd.read_csv(folder() / f"table_{number:02d}.csv", dtype=str, keep_default_na=False)


def sections(dataset: str) -> dict[str, str]:
    """Return page of a dataset ("" for its board, ".forgetting") -> the section below it."""
    return {"": section(dataset), ".forgetting": forgetting(dataset)}


def section(dataset: str) -> str:
    """Return Markdown for the page of a dataset: Table 13 (brain score per ROI) and Table 2 (alignment), with their source.

    dataset: its card's name, e.g. ``nsd``. For any data but the paper's own, the section says that scores must not be
    compared.
    """
    lines = ["### Beside it: as published", "", SAME_DATA.get(dataset, OTHER_DATA), _WHAT_IT_IS, ""]
    lines += ["Brain score, R2 (± 0.001), mean over the voxels of an ROI (Table 13):", ""]
    lines += [_markdown(table(13), ("category", "Model")), ""]
    lines += [
        "Alignment of layers and brain: slope, b0 and b1 as in section 4.3 (Table 2; its R2 is over all voxels):",
        "",
    ]
    lines += [_markdown(table(2), ("Model", "Size", "Data")), ""]
    return "\n".join([*lines, f"Source: {CITATION}"]) + "\n"


def forgetting(dataset: str) -> str:
    """Return Markdown for the page of what tuning takes: Tables 3 and 14, with their source."""
    lines = ["### Beside it: as published", "", SAME_DATA.get(dataset, OTHER_DATA), ""]
    lines += ["R2 before tuning and after tuning on ISIC or EuroSAT, 50 images of a class (Table 3):", ""]
    lines += [_markdown(table(3), ("Model",)), ""]
    lines += ["Accuracy on these tasks, mean of ten runs (Table 14):", "", _markdown(table(14), ("Model",)), ""]
    return "\n".join([*lines, f"Source: {CITATION}"]) + "\n"


def _markdown(table: pd.DataFrame, words: Sequence[str]) -> str:
    ordered = table[[*words, "card", *(c for c in table.columns if c not in (*words, "card"))]]
    align = ["left" if c in (*words, "card") else "right" for c in ordered.columns]
    return ordered.to_markdown(index=False, disable_numparse=True, colalign=align)
