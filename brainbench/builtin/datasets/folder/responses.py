"""The responses of one subject, whatever they are stored as: found, checked against one another, and one ``Source``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from brainbench import DataError
from brainbench.builtin.datasets.folder.formats import open_matrix
from brainbench.builtin.datasets.folder.layout import MASK, SIDES, Layout
from brainbench.builtin.datasets.folder.matrices import Matrix, MatrixSource, refuse_uneven
from brainbench.builtin.datasets.folder.neuroimaging import surface_rows, volume_rows
from brainbench.builtin.datasets.folder.space import Space, Vertices, Volume
from brainbench.builtin.datasets.folder.stimuli import Session
from brainbench.builtin.datasets.folder.unread import refuse_unread_responses
from brainbench.datasets import Ledger, content_digest


def read_responses(layout: Layout, sessions: Sequence[Session], space: Space | None, ledger: Ledger) -> MatrixSource:
    """Open the responses of every session.

    Raises DataError where a session has none, where rows, voxels or hemispheres do not fit, and for damaged files.
    """
    places = layout.sessions() or {"": layout}
    found, files = [], []
    for session in sessions:
        paths = places[session.name].responses()
        if not paths:
            refuse_unread_responses(places[session.name].places[0])
            raise DataError(f"no responses in {places[session.name].places[0]}: each session needs a file of its own")
        sides = _open(paths, space)
        for side in sides:
            _check_rows(side, session)
        found.append(sides)
        files += [*map(ledger.digest, paths), ""]
    refuse_uneven(tuple(found))
    # What is read of a volume depends on its mask.
    files += [ledger.digest(space.path)] if isinstance(space, Volume) else []
    files += [f"turned {path.name}" for path in turned(layout, space)]
    source = MatrixSource(content_digest("\n".join([*files, *_columns_key(space)]).encode()), tuple(found))
    if space and source.shape[1] != space.voxels:
        both = f"{space.path} says {space.voxels} voxels, but {source.where} has {source.shape[1]}"
        raise DataError(f"{both}: make them agree (vertices.csv can name those of a mesh that were measured)")
    return source


def turned(layout: Layout, space: Space | None) -> list[Path]:
    """Volumes of responses whose axes run otherwise than the mask's."""
    if not isinstance(space, Volume):
        return []
    paths = [path for part in (layout.sessions() or {"": layout}).values() for path in part.responses()]
    return [path for path in paths if path.name.endswith((".nii", ".nii.gz")) and space.turns(path)]


def _columns_key(space: Space | None) -> list[str]:
    return [content_digest(space.vertex.tobytes())] if isinstance(space, Vertices) else []


def _open(paths: tuple[Path, ...], space: Space | None) -> tuple[Matrix, ...]:
    if len(paths) == 2:
        if isinstance(space, Volume):
            raise DataError(
                f"{paths[0]} is of a surface, but {space.path.name} of a volume: keep the one that is meant"
            )
        if space and (space.hemisphere[:-1] > space.hemisphere[1:]).any():
            raise DataError(f"{space.path}: with {paths[0].name}, the left hemisphere's vertices come first")
        return tuple(_side(path, name, space) for path, name in zip(paths, SIDES, strict=True))
    (path,) = paths
    if not path.name.endswith((".nii", ".nii.gz")):
        return (open_matrix(path),)
    if not isinstance(space, Volume):
        beside = f"but {space.path.name} is of a surface" if space else f"and needs {' or '.join(MASK)} beside it"
        raise DataError(f"{path} is a volume, {beside}: the mask says which of it are voxels")
    return (volume_rows(path, space.mask, space.grid),)


def _side(path: Path, hemisphere: str, space: Vertices | None) -> Matrix:
    """One hemisphere: the vertices of the space alone, if the file has all of the mesh."""
    side = open_matrix(path) if path.suffix == ".npy" else surface_rows(path)
    if space is None:
        return side
    wanted, size = space.side(hemisphere), space.sizes[hemisphere == "right"]
    if side.shape[1] == len(wanted):
        return side
    if side.shape[1] != size:
        found = f"{path} has {side.shape[1]:,} vertices"
        raise DataError(f"{found}, expected {size:,} (the mesh) or {len(wanted):,} (those in {space.path.name})")
    return side.columns(wanted)


def _check_rows(matrix: Matrix, session: Session) -> None:
    rows, columns = matrix.shape
    if rows != len(session.rows):
        hint = "; it looks transposed: save it as stimuli x voxels" if columns == len(session.rows) else ""
        if (
            matrix.path.name.endswith((".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".xlsx"))
            and rows == len(session.rows) + 1
        ):
            hint = "; a first line of numbers is a row, not a header"
        raise DataError(f"{matrix.path} has {rows} rows (shape {matrix.shape}), but there are {session.source}{hint}")
