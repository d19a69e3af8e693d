"""Responses in tables: text, Parquet, Feather and Excel; one column a voxel, an index left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brainbench import DataError
from brainbench.builtin.datasets.folder.layout import natural
from brainbench.builtin.datasets.folder.matrices import Matrix, damaged, held
from brainbench.datasets import (
    NAMES_OF_IMAGES,
    NumberTable,
    has_index,
    number_table,
    read_number_table,
    refuse_shuffled,
)


def open_text(path: Path) -> Matrix:
    """Lines of numbers; see ``brainbench.datasets.number_table``."""
    return _of_numbers(path, read_number_table(path))


def open_workbook(path: Path) -> Matrix:
    """The one sheet of an Excel file, or the one named ``responses``. Raises DataError with the pip line without openpyxl."""
    try:
        from openpyxl import load_workbook
    except ImportError as problem:
        raise DataError(f"{path} needs openpyxl: pip install openpyxl, or save the table as csv") from problem
    try:
        book = load_workbook(path, read_only=True, data_only=True)
        try:
            name = "responses" if "responses" in book.sheetnames else book.sheetnames[0]
            if len(book.sheetnames) > 1 and name != "responses":
                sheets = ", ".join(book.sheetnames)
                raise DataError(f"{path} has sheets {sheets}: name the one of stimuli x voxels 'responses'")
            rows = [*book[name].iter_rows(values_only=True)]
        finally:
            book.close()
    except DataError:
        raise
    except Exception as problem:  # a damaged file makes readers raise nearly anything
        raise damaged(path, "an Excel workbook", problem) from problem
    lines = (["" if value is None else str(value).strip() for value in row] for row in rows)
    cells = [line for line in lines if any(line)]
    return _of_numbers(path, number_table(path, enumerate(cells, 1)))


def _of_numbers(path: Path, table: NumberTable) -> Matrix:
    return held(path, table.values, indexed=table.indexed)


def open_parquet(path: Path) -> Matrix:
    """One column a voxel, in order. The index is left out, whether or not pandas' own metadata name it."""
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
            first = file.read(columns=[*dict.fromkeys([*schema.names[:1], *_index(schema)])])
    except Exception as problem:
        raise damaged(path, "Parquet", problem) from problem
    voxels = _voxels(path, schema, first, rows)

    def blocks(size: int) -> Iterator[np.ndarray]:
        try:
            with parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=size, columns=voxels):
                    yield _stacked(batch)
        except Exception as problem:
            raise damaged(path, "Parquet", problem) from problem

    return Matrix(path, (rows, len(voxels)), blocks, indexed=voxels != schema.names)


def open_feather(path: Path) -> Matrix:
    """As Parquet, in Arrow's own file format; read whole."""
    from pyarrow import feather

    try:
        table = feather.read_table(path, memory_map=False)
    except Exception as problem:
        raise damaged(path, "Feather", problem) from problem
    voxels = _voxels(path, table.schema, table, table.num_rows)
    return held(path, _stacked(table.select(voxels)), indexed=voxels != table.schema.names)


def _voxels(path: Path, schema: Any, first: Any, rows: int) -> list[str]:
    """Names of the columns that are voxels. first: a table that has at least the first column and those of the index."""
    index = _index(schema)
    for name in index:
        _check_index(path, schema.field(name).type, _column(first, name), alone=len(index) == 1)
    voxels = [name for name in schema.names if name not in index]
    if len(set(voxels)) < len(voxels):
        raise DataError(f"{path} has several columns of one name: give each voxel a name of its own")
    for name in voxels:
        _refuse_text(path, schema, name, voxels)
    if not rows or not voxels:
        raise DataError(f"{path} is an empty table of {rows} rows and {len(voxels)} columns")
    if voxels[0] == schema.names[0] and has_index(path, voxels, _column(first, voxels[0])):
        return voxels[1:]
    return voxels


def _index(schema: Any) -> list[str]:
    """Names of the columns in which pandas wrote an index that is more than 0, 1, 2 ..."""
    named = (schema.pandas_metadata or {}).get("index_columns", ())
    return [name for name in named if isinstance(name, str) and name in schema.names]


def _check_index(path: Path, kind: Any, values: np.ndarray, alone: bool) -> None:
    """DataError for an index by which the rows were shuffled; alone: one column is the index."""
    import pyarrow.types as types

    if types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind):
        names = [str(value) for value in values]
        if names not in (sorted(names), sorted(names, key=natural)):
            raise DataError(
                f"{path}: the names in its index ({names[0]}, {names[1]} ...) are not in order; {NAMES_OF_IMAGES}"
            )
    if alone and (types.is_integer(kind) or types.is_floating(kind)) and len(values):
        refuse_shuffled(path, values)


def _refuse_text(path: Path, schema: Any, name: str, voxels: Sequence[str]) -> None:
    import pyarrow.types as types

    kind = schema.field(name).type
    if types.is_floating(kind) or types.is_integer(kind):
        return
    hint = f"; {NAMES_OF_IMAGES}" if name == voxels[0] and len(voxels) > 1 else ""
    raise DataError(f"{path}: column {name!r} holds {kind} values; one column of numbers a voxel is wanted{hint}")


def _column(table: Any, name: str) -> np.ndarray:
    return np.asarray(table.column(name).to_numpy())


def _stacked(table: Any) -> np.ndarray:
    return np.column_stack([np.asarray(column.to_numpy(zero_copy_only=False)) for column in table.columns])
