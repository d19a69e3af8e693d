"""Predictions for the challenge's test images in the format it is submitted in: ``python -m brainbench_nsd.algonauts.export``.

Works on records of runs with ``--set algonauts2023.test_split=true``; the responses to these images are withheld.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from brainbench import BrainbenchError, DataError
from brainbench.datasets import open_npy
from brainbench_nsd.algonauts import layout
from brainbench_nsd.algonauts.layout import SIDES, SubjectFolder
from brainbench_nsd.algonauts.names import read_names

_AGAIN = "run it again with --set algonauts2023.test_split=true and --keep all"


def write_submission(
    values: np.ndarray, dropped: Sequence[int], sizes: dict[str, int], folder: Path, subject: str
) -> list[Path]:
    """Write ``subjXX/{lh,rh}_pred_test.npy``, float32 [n, vertices of the side] in challenge space; returns their paths.

    values: [n, V] in the order of the test images; dropped: the vertices of both sides, the left ones first, that are not among
    the V. They become 0, the mean of responses that are z-scored as the release's are. sizes: side -> vertices.

    Raises DataError where the figures do not go together and for files that are there already.
    """
    total = sum(sizes.values())
    if values.shape[1] + len(dropped) != total:
        there = f"{values.shape[1]} vertices are predicted and {len(dropped)} were dropped"
        raise DataError(
            f"{there}, but subject {subject} has {total}: the record is of other data; give the --data it was run on"
        )
    whole = np.zeros((len(values), total), np.float32)
    whole[:, np.setdiff1d(np.arange(total), dropped)] = values
    target = folder / f"subj{int(subject):02}"
    paths = [target / f"{side}_pred_test.npy" for side in sizes]
    for path in paths:
        if path.exists():
            raise DataError(f"{path} is there already: give another folder, or remove it")
    target.mkdir(parents=True, exist_ok=True)
    for path, part in zip(paths, np.split(whole, np.cumsum(list(sizes.values()))[:-1], axis=1), strict=True):
        np.save(path, part)
    return paths


def export(record: Path, data: Path, folder: Path) -> list[Path]:
    """Write the submission files of one record; ``data``: the folder that it was run on. Raises DataError for another record."""
    facts = _read(record)
    subject, about = str(facts["subject"]), layout.subjects(data)
    if subject not in about:
        raise DataError(f"no subj{int(subject):02} in {data}: give the --data that {record} was run on")
    values, ids = _predictions(record)
    expected = read_names(about[subject].test_images, "test").files
    if ids != expected:
        wanted = f"the {len(expected)} of {about[subject].test_images} in the order of their numbers"
        raise DataError(f"{record} predicts {len(ids)} images, not {wanted}: give the --data it was run on")
    return write_submission(values, facts["dropped_voxels"], _sizes(about[subject]), folder, subject)


def _read(record: Path) -> dict[str, Any]:
    try:
        facts = dict(json.loads(record.read_bytes())["dataset"])
        name = facts["name"]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise DataError(f"{record} is not a readable record: give a .json file of a results folder") from problem
    if name != "algonauts2023":
        raise DataError(f"{record} is of {name}: only predictions for algonauts2023 can be submitted")
    return facts


def _predictions(record: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """(values [n, V], names of the test images) that lie beside a record."""
    try:
        group = zarr.open_group(record.with_suffix(".zarr"), mode="r")
        values = np.asarray(group["unmeasured"][...])  # type: ignore[index]
        ids = tuple(map(str, group.attrs["unmeasured_ids"]))  # type: ignore[arg-type]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise DataError(f"{record} has no stored predictions for test images: {_AGAIN}") from problem
    return values, ids


def _sizes(folder: SubjectFolder) -> dict[str, int]:
    return {side: open_npy(folder.responses(side)).shape[1] for side in SIDES}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; exit code 2 and one line for what cannot be."""
    parser = argparse.ArgumentParser(prog="python -m brainbench_nsd.algonauts.export", description=__doc__)
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD.json", help="records of one subject each")
    parser.add_argument("--data", required=True, type=Path, help="the folder that holds subj01, subj02 ...")
    parser.add_argument(
        "--to", required=True, type=Path, metavar="DIR", help="where to write subj01/lh_pred_test.npy ..."
    )
    given = parser.parse_args(arguments)
    try:
        for record in given.records:
            for path in export(record, given.data, given.to):
                print(path)
    except BrainbenchError as problem:
        print(problem, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
