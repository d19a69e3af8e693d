from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainbench import DataError
from brainbench.datasets import read_number_table, read_numbers, read_rows

VALUES = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
FRAME = pd.DataFrame(VALUES, columns=list("abcd"))
Write = Callable[[Path], Any]

PLAIN: dict[str, tuple[str, Write]] = {
    "comma": ("t.csv", lambda p: FRAME.to_csv(p, index=False)),
    "semicolon": ("t.csv", lambda p: FRAME.to_csv(p, index=False, sep=";")),
    "German Excel": (
        "t.csv",
        lambda p: FRAME.to_csv(p, index=False, sep=";", decimal=",", encoding="utf-8-sig", lineterminator="\r\n"),
    ),
    "decimal commas, no header": ("t.csv", lambda p: FRAME.to_csv(p, index=False, header=False, sep=";", decimal=",")),
    "tabs in csv": ("t.csv", lambda p: FRAME.to_csv(p, index=False, sep="\t", decimal=",")),
    "commas in tsv": ("t.tsv", lambda p: FRAME.to_csv(p, index=False)),
    "spaces": ("t.txt", lambda p: np.savetxt(p, VALUES, fmt="%.9g")),
    "spaces under names": ("t.csv", lambda p: np.savetxt(p, VALUES, fmt="%.9g", header="a b c d", comments="")),
    "bars": ("t.csv", lambda p: FRAME.to_csv(p, index=False, sep="|")),
    "Excel's own first line": ("t.csv", lambda p: p.write_text("sep=;\r\n" + FRAME.to_csv(index=False, sep=";"))),
    "Excel's Unicode text": ("t.csv", lambda p: FRAME.to_csv(p, index=False, sep="\t", encoding="utf-16")),
    "numpy's header": ("t.txt", lambda p: np.savetxt(p, VALUES, fmt="%.9g", header="a b c d")),
    "numpy's header, commas": ("t.csv", lambda p: np.savetxt(p, VALUES, "%.9g", ",", header="a,b,c,d")),
    "lines that end with commas": ("t.csv", lambda p: p.write_text(FRAME.to_csv(index=False).replace("\n", ",\n"))),
    "rows of empty cells below": ("t.csv", lambda p: p.write_text(FRAME.to_csv(index=False) + ",,,\n\n,,,\n")),
    "typeset minus": (
        "t.csv",
        lambda p: p.write_text(FRAME.to_csv(index=False).replace("-", "\u2212"), encoding="utf-8"),
    ),
    "packed": ("t.csv.gz", lambda p: FRAME.to_csv(p, index=False)),
    "packed tabs": ("t.tsv.gz", lambda p: FRAME.to_csv(p, index=False, sep="\t")),
}
INDEXED: dict[str, Write] = {
    "pandas": lambda p: FRAME.to_csv(p),
    "pandas, numbered columns": lambda p: pd.DataFrame(VALUES).to_csv(p),
    "pandas, no header": lambda p: FRAME.to_csv(p, header=False),
    "reset": lambda p: FRAME.reset_index().to_csv(p, index=False),
    "written twice": lambda p: FRAME.reset_index().rename(columns={"index": "Unnamed: 0"}).to_csv(p, index=False),
    "from 1": lambda p: FRAME.set_index(FRAME.index + 1).to_csv(p),
    "in another order": lambda p: FRAME.set_index(pd.Index([4, 9, 2, 5, 1, 0])).to_csv(p),
    "semicolons": lambda p: FRAME.to_csv(p, sep=";", decimal=","),
    "R, quoted": lambda p: p.write_text(
        '"a" "b" "c" "d"\n' + "".join(f'"{i}" {" ".join(map(str, row))}\n' for i, row in enumerate(VALUES.tolist(), 1))
    ),
    "R": lambda p: p.write_text(
        'a b c d\n' + "".join(f'{i} {" ".join(map(str, row))}\n' for i, row in enumerate(VALUES.tolist(), 1))
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "write"), PLAIN.values(), ids=PLAIN.keys())
def test_every_dialect_gives_the_values(tmp_path: Path, name: str, write: Write) -> None:
    write(tmp_path / name)
    found = read_number_table(tmp_path / name)
    np.testing.assert_array_equal(found.values, VALUES)
    assert not found.indexed


@pytest.mark.parametrize("write", INDEXED.values(), ids=INDEXED.keys())
def test_an_index_is_never_a_column(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "t.csv")
    found = read_number_table(tmp_path / "t.csv")
    np.testing.assert_array_equal(found.values, VALUES)
    assert found.indexed


REFUSED: dict[str, tuple[Write, str]] = {
    "counting": (
        lambda p: FRAME.rename_axis("trial").to_csv(p),
        r"first column, 'trial', counts the rows from 0: an index is no voxel, delete it",
    ),
    "nameless decimals": (
        lambda p: FRAME.rename(columns={"a": ""}).to_csv(p, index=False),
        r"first column has no name, as an index has none, but holds 0\.12.*name it if it is a voxel",
    ),
    "names of images": (
        lambda p: FRAME.set_index(pd.Index([f"{i}.png" for i in range(6)])).to_csv(p),
        r"line 2, column 1: '0\.png' is not a number; if that column names the images, move it to stimuli\.csv",
    ),
    "both decimal signs": (lambda p: p.write_text("a;b\n0,5;1.5\n"), r"line 2: .*decimal commas and decimal points"),
    "one column of decimal commas": (lambda p: p.write_text("a\n0,5\n1,5\n2,5\n"), "line 2: 2 cells, but the first line has 1; a decimal needs a point"),
    "Latin-1": (lambda p: p.write_bytes("Größe\n1\n".encode("latin-1")), r"comma-separated utf-8 table \(.*: save it as UTF-8"),
    "not packed": (lambda p: p.with_name("t.csv.gz").write_text("1,2"), "t.csv.gz cannot be read as a comma-"),
    "packed under a plain name": (lambda p: p.write_bytes(gzip.compress(b"1,2\n")), "it is gzip data, and not what its name says"),
    "a pointer": (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\nsize 4\n"), "pointer of Git LFS: `git lfs pull`"),
    "thousands": (lambda p: p.write_text('a\n"1,209.36"\n"2,000.00"\n'), r"'1,209\.36' is not a number; write it without signs bet"),
    "R's word for missing": (lambda p: p.write_text("a,b\nNA,1\n1,2\n"), "'NA' is not a number; write nan where there is no value"),
    "empty cells between rows": (lambda p: p.write_text("a,b\n1,2\n,\n3,4\n"), "line 3, column 1: '' is not a number; write nan"),
    "shuffled": (lambda p: FRAME.sample(frac=1, random_state=0).to_csv(p), r"index counts the rows in another order \(\d, \d, \d \.\.\."),
}  # fmt: skip


@pytest.mark.parametrize(("write", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_may_be_either_is_refused(tmp_path: Path, write: Write, message: str) -> None:
    write(tmp_path / "t.csv")
    with pytest.raises(DataError, match=message):
        read_numbers(next(tmp_path.iterdir()))


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3), min_size=4, max_size=6),
    st.sampled_from([(",", "."), (";", "."), (";", ","), ("\t", ","), ("\t", ".")]),
    st.booleans(),
    st.booleans(),
)
def test_any_numbers_survive_any_dialect(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[float]], signs: tuple[str, str], header: bool, bom: bool
) -> None:  # fmt: skip
    values = np.array(rows, np.float32)
    values[0, 0] = 0.25  # no index
    path = tmp_path_factory.mktemp("t") / "t.csv"
    sep, decimal = signs
    pd.DataFrame(values, columns=list("abc")).to_csv(
        path, index=False, header=header, sep=sep, decimal=decimal, encoding="utf-8-sig" if bom else "utf-8"
    )
    np.testing.assert_array_equal(read_numbers(path), values)


@pytest.mark.parametrize("sep", [",", ";", "\t"])
def test_rows_are_found_by_the_names_of_their_columns(tmp_path: Path, sep: str) -> None:
    (tmp_path / "t.csv").write_text(f"image{sep}group\na.png{sep}Mu\u0308ller\n", encoding="utf-8-sig")
    (row,) = read_rows(tmp_path / "t.csv", ("image", "group"))
    assert row.cells == {"image": "a.png", "group": "M\u00fcller"}


def test_a_semicolon_in_a_name_separates_nothing(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image\na;b.png\n")
    assert [row["image"] for row in read_rows(tmp_path / "t.csv", ("image",))] == ["a;b.png"]
