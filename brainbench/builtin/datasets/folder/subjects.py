"""All subjects of an experiment: which there are, and each of them read, or the reason why it cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from brainbench import DataError
from brainbench.builtin.datasets.folder.dissimilarities import count_matrices
from brainbench.builtin.datasets.folder.layout import MATRICES, VOXEL_FILES, Layout, layouts
from brainbench.builtin.datasets.folder.subject import Subject, read_subject
from brainbench.builtin.datasets.folder.unread import refuse_unread_responses
from brainbench.datasets import Ledger, list_images, read_rows

Read = Subject | DataError


def read_subjects(root: Path, mesh: str | None, ledger: Ledger, seed: int) -> dict[str, Read]:
    """Subject name -> what there is, or what is wrong; mesh: named in ``dataset.toml``; seed: of the split.

    Raises DataError when no subject can be read, and for what is wrong with the folder as a whole.
    """
    places = _places(root)
    known = {name for layout in places.values() for name in _image_names(layout)}
    subjects = {name: _attempt(name, places, known, mesh, ledger, seed) for name in places}
    subjects = _named(root, subjects)
    wrong = [one for one in subjects.values() if isinstance(one, DataError)]
    if len(wrong) == len(subjects):
        raise wrong[0]
    _refuse_strays(root, places, {name: one for name, one in subjects.items() if isinstance(one, Subject)})
    return subjects


def _places(root: Path) -> dict[str, Layout]:
    """Subject name -> layout; without folders of subjects there are as many as matrices of dissimilarities."""
    places = layouts(root)
    (first, *others), matrices = places.values(), root / MATRICES[0]
    if others or len(first.places) > 1 or not matrices.exists():
        return places
    count = count_matrices(matrices)
    if count > 1 and first.has_responses():
        message = f"{matrices} holds {count} matrices, but the responses are of one subject"
        raise DataError(f"{message}: put each subject's files into subjects/<name>/")
    return {str(number): first for number in range(1, count + 1)}


def _image_names(layout: Layout) -> list[str]:
    try:
        return list_images(layout.images())
    except DataError:
        return []  # what is wrong is said when the subject is read


def _attempt(
    name: str, places: Mapping[str, Layout], known: set[str], mesh: str | None, ledger: Ledger, seed: int
) -> Read:
    try:
        return read_subject(name, places, known, mesh, ledger, seed)
    except DataError as problem:
        return problem


def _named(root: Path, subjects: dict[str, Read]) -> dict[str, Read]:
    """With BIDS' ``participants.tsv``, a subject needs a line there, and a line needs a folder."""
    table = root / "participants.tsv"
    if not table.exists():
        return subjects
    names = [row["participant_id"].removeprefix("sub-") for row in read_rows(table, ("participant_id",))]
    strangers = {
        name: DataError(f"{table} has no line sub-{name}: add one, or move that folder away") for name in subjects
    }
    absent = {name: DataError(f"{table} names sub-{name}, but there is no such folder: add it, or delete the line")
              for name in names}  # fmt: skip
    return {
        **{name: subjects.get(name, absent[name]) for name in names},
        **{name: problem for name, problem in strangers.items() if name not in names},
    }


def _refuse_strays(root: Path, places: Mapping[str, Layout], subjects: Mapping[str, Subject]) -> None:
    """DataError for responses that would be of two subjects, and for facts about voxels where nobody has responses."""
    owners: dict[Path, str] = {}
    for name, one in subjects.items():
        if one.voxels and owners.setdefault(one.voxels.source.where, name) != name:
            path = one.voxels.source.where
            message = f"{path} would stand for subjects {owners[path]} and {name} alike"
            raise DataError(f"{message}: put each subject's responses into subjects/<name>/")
    found = [places[name].find(*names) for name in subjects for names in VOXEL_FILES]
    lonely = [path for path in found if path]
    if owners:
        return
    refuse_unread_responses(root)
    if lonely:
        raise DataError(
            f"{root} holds {lonely[0].name} but neither responses.npy nor other responses, which it is about"
        )
