"""Pictures and the README's table are what their commands and the committed board make."""

from __future__ import annotations

import csv
import hashlib
import re

import pytest
from blocks import ROOT, pages
from make_pictures import LEDGER, PICTURES, makers, shown
from minis_tables import PAGE, with_tables
from readme_table import README, with_table

LIMIT = 500_000  # bytes


def ledger() -> list[dict[str, str]]:
    with LEDGER.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_picture_is_shown_and_in_the_ledger() -> None:
    names = {path.name for path in PICTURES.glob("*.png")}
    assert names
    assert names == shown() == {row["picture"] for row in ledger()}, "run `make pictures`"


@pytest.mark.parametrize("row", ledger(), ids=lambda row: str(row["picture"]))
def test_a_picture_is_what_the_commands_of_its_page_made(row: dict[str, str]) -> None:
    content = (PICTURES / row["picture"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == row["sha256"], "run `make pictures`"
    assert makers()[row["picture"]] == row["commands"], "run `make pictures`"
    assert len(content) < LIMIT


def test_every_picture_has_words_for_those_who_do_not_see_it() -> None:
    for page in pages():
        for words in re.findall(r"!\[([^\]]*)\]\(", page.read_text()):
            assert len(words.split()) > 5, page.relative_to(ROOT)


def test_the_tables_of_the_minis_are_what_their_packages_and_the_committed_records_say() -> None:
    assert with_tables(PAGE.read_text()) == PAGE.read_text(), "run `python docs/minis_tables.py`"


def test_the_table_of_the_readme_is_the_committed_board() -> None:
    assert with_table(README.read_text()) == README.read_text(), "run `python docs/readme_table.py`"
