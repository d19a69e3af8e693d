"""Whatever is in a record's file, it is read or refused in one line; whatever records say, their boards hold."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from records import a_record
from strangers import damaged, damaged_documents, records

from brainbench import StoreError
from brainbench.leaderboard.render import boards, render
from brainbench.metrics.bootstrap import DRAWS
from brainbench.records import Display, MetricResult, Record
from brainbench.results import store
from brainbench.results.store import read_record
from brainbench.util.hashing import digest

# The headings of pages, and what begins a block of Markdown that no page has.
HEADINGS = ("# Leaderboard: ", "## Edition ", "### ", "# Training images: ", "## Controls", "# Layer by layer: ", "## ")
BLOCKS = re.compile(r"[>+=~`]|\d+[.)] |\t|    (?!brainbench run )")
WHOLE = a_record(metrics={"r2": MetricResult("1", Display({"all": "R2"}), {"all": 0.5}, draws={})})


def content() -> dict[str, object]:
    """An unsigned record: one that is signed would be refused for its digest alone."""
    return {name: part for name, part in WHOLE.to_json().items() if name != "digest"}


def read(folder: Path, written: bytes) -> Record | None:
    """The record, or None if it is refused in one line."""
    path = folder / f"{WHOLE.key}.json"
    path.write_bytes(written)
    try:
        return read_record(path)
    except StoreError as error:
        refused = str(error)
    assert "\n" not in refused
    assert path.name in refused
    return None


@given(written=st.one_of(st.binary(max_size=99), damaged([json.dumps(content()).encode()]), damaged_documents(content)))
@example(written=b"[" * 100_000)
@example(written=json.dumps(content()).replace("0.5", "1e999").encode())
def test_a_file_is_read_or_refused_and_what_is_read_makes_a_board(written: bytes, tmp_path: Path) -> None:
    found = read(tmp_path, written)
    if found is not None:
        render([found])


def test_a_record_as_it_was_written_is_read_and_one_with_another_digit_is_not(tmp_path: Path) -> None:
    written = json.dumps(WHOLE.to_json())
    assert read(tmp_path, written.encode()) == WHOLE
    assert read(tmp_path, written.replace("0.5", "0.6").encode()) is None


def test_draws_are_those_that_metrics_pack() -> None:
    assert store._DRAWS == DRAWS


def told(**display: Any) -> list[Record]:
    """A record whose metric is shown so."""
    result = MetricResult("1", Display(**{"columns": {"all": "R2"}} | display), {"all": 0.5})
    return [a_record(metrics={"r2": result}, dataset={"changed": {"note": "a\rb"}})]


@pytest.mark.slow
@given(some=st.lists(records(), min_size=1, max_size=6))
@example(some=told())
@example(some=told(layers={"layer.": []}))
@example(some=told(layers={"layer.": ["gone"]}))
@example(some=[replace(a_record(encoder=""), metrics=told(errors="with errors")[0].metrics)])
@example(some=[a_record(dataset={"name": ".hidden"})])
@example(some=[a_record()])
def test_boards_hold_whatever_records_say(some: list[Record]) -> None:
    some = list({record.key: record for record in some}.values())
    files = render(some)
    shuffled = some[:]
    random.Random(0).shuffle(shuffled)
    assert render(shuffled) == files
    found = boards(some)
    for path, text in files.items():
        assert path == Path(path.name)
        assert not path.name.startswith(".")
        text.encode()
        if path.suffix == ".md":
            check_markdown(text)
        if path.suffix == ".csv":
            pd.read_csv(StringIO(text), dtype=str)
        if path.suffix == ".json":
            json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} in JSON"))
        if path.suffix == ".tex":
            check_latex(text)
    rows = sum(len(board.lines) for several in found.values() for board in several)
    documents = [json.loads(text) for path, text in files.items() if path.suffix == ".json"]
    assert rows == sum(len(edition["rows"]) for one in documents for edition in one["editions"])


def check_markdown(text: str) -> None:
    """Every line of a table has as many cells; no HTML, and no line that nobody meant."""
    lines = text.splitlines()
    assert lines == text.split("\n")[:-1]
    assert "<" not in text
    cells = None
    for line in lines:
        count = len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) if line.startswith("|") else None
        assert count is None or cells in (None, count), line
        cells = count
        assert not line.startswith("#") or line.startswith(HEADINGS), line
        assert not BLOCKS.match(line), line


def check_latex(text: str) -> None:
    """Every line of a tabular has as many columns, braces balance, and nothing of others is a command."""
    for line in text.splitlines():
        if line.startswith("%"):
            continue
        bare = line.replace("\\\\", "")
        opened = len(re.findall(r"(?<!\\)\{", bare)) - len(re.findall(r"(?<!\\)\}", bare))
        assert opened == 0, line
        commands = set(re.findall(r"\\([a-zA-Z]+)", bare))
        allowed = {"begin", "end", "toprule", "midrule", "bottomrule", "textbf", "emph", "pm"}
        assert commands <= allowed | {"textbackslash", "textasciitilde", "textasciicircum"}, line


@given(written=damaged_documents(content))
def test_a_signed_record_is_refused_for_what_it_says_alone(written: bytes, tmp_path: Path) -> None:
    document = json.loads(written)
    signed = json.dumps(document | {"digest": digest(document)}).encode()
    assert (read(tmp_path, signed) is None) == (read(tmp_path, written) is None)
