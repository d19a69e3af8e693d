from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import toy
from records import a_record

from brainbench.commands import cite as citations
from brainbench.commands.cite import behind
from brainbench.records import MetricResult
from brainbench.registry import installed

ROOT = Path(__file__).parents[2]
NET = "Ada Lovelace and Charles Babbage (1843). On the Analytical Engine. Scientific Memoirs 3, 666. arXiv:1843.00001"
FIT = "Ada Lovelace and others (1843). Notes upon the Memoir."
RECORD = a_record(
    "toy/net@untrained",
    "toyfit",
    dataset={"name": "toydata", "title": "Toys", "version": "7", "licence": "CC0"},
    metrics={"r2": MetricResult("1"), "count": MetricResult("1")},
    versions={"torch": "2.6", "toy-dist": "1.0"},
)
RECORD = replace(
    RECORD, backbone=replace(RECORD.backbone, weights_sha256="ab12", weights_source="hub/net", licence="MIT")
)
REGISTRY = toy.registry(
    [toy.backbone(citation=NET)],
    [toy.encoder(citation=f"{FIT}\n{NET}")],
    [replace(toy.R2, citation=FIT), toy.COUNT],
    [toy.dataset(citation="our laboratory's own measurements")],
)


def test_papers_come_from_cards_and_all_else_from_records() -> None:
    assert behind([RECORD], REGISTRY).text().split("\n\n")[1:] == [
        f"papers\n  toy/net, toyfit: {NET}\n  toydata: our laboratory's own measurements\n  toyfit, r2: {FIT}",
        "no paper is named by\n  count",
        "weights\n  toy/net@untrained: weights v1, source hub/net, sha256 ab12, licence MIT",
        "data\n  Toys (toydata), version 7: licence CC0",
        "libraries\n  torch 2.6\n  toy-dist 1.0",
    ]


def test_what_is_not_installed_is_listed_with_what_the_record_says() -> None:
    gone = replace(
        RECORD,
        backbone=replace(RECORD.backbone, name="clip/vit-b-16-openai", plugin="brainbench-plugin-clip 0.1.0"),
        metrics={"rsa": MetricResult("3")},
    )
    first, second = behind([gone], REGISTRY).unknown
    assert first.startswith("clip/vit-b-16-openai (brainbench-plugin-clip 0.1.0): unknown backbone")
    assert first.endswith("it comes with: pip install brainbench-plugin-clip")
    assert second.startswith("rsa (metric, version 3): unknown metric 'rsa'")
    assert "not installed here\n  clip/vit-b-16-openai (" in behind([gone], REGISTRY).text()


def test_bibtex_has_an_entry_a_reference_with_keys_of_their_own() -> None:
    itself, net, own, fit = behind([RECORD], REGISTRY).bibtex().split("\n\n")
    assert itself.startswith(
        "@software{brainbench,\n  author = {{The brainbench developers}},\n  title = {brainbench: "
    )
    assert net == (
        "@misc{lovelace1843analytical,\n  author = {Ada Lovelace and Charles Babbage},\n  year = {1843},\n"
        "  title = {{On the Analytical Engine}},\n  howpublished = {Scientific Memoirs 3, 666},\n"
        "  eprint = {1843.00001},\n  archiveprefix = {arXiv},\n}"
    )
    assert own == "@misc{reference,\n  note = {our laboratory's own measurements},\n}"
    assert fit == (
        "@misc{lovelace1843notes,\n  author = {Ada Lovelace and others},\n  year = {1843},\n"
        "  title = {{Notes upon the Memoir}},\n}"
    )
    twice = toy.registry([toy.backbone(citation=f"{FIT}\n{FIT[:-1]}, again.")], datasets=[toy.dataset()])
    keys = re.findall(r"^@misc{(.+),$", behind([RECORD], twice).bibtex(), flags=re.M)
    assert keys == ["lovelace1843notes", "lovelace1843notes-2"]


@pytest.mark.parametrize("kind", ["backbones", "encoders", "metrics", "datasets"])
def test_every_citation_of_what_is_installed_has_the_form(kind: str) -> None:
    shelf = next(shelf for shelf in installed().shelves() if shelf.kind == kind)
    for entry in shelf:
        for reference in (entry.card.citation or "").splitlines():
            assert citations.FORM.fullmatch(reference), f"{entry.name}: {reference}"


def test_brainbench_is_cited_as_in_its_citation_file() -> None:
    text = (ROOT / "CITATION.cff").read_text()
    assert f'title: "{citations.TITLE}"\n' in text
    assert f"license: {citations.LICENCE}\n" in text
    assert f'authors:\n  - name: "{citations.AUTHORS}"\n' in text
    (version,) = re.findall(r"^version: (.+)$", text, flags=re.M)
    assert f'version = "{version}"\n' in (ROOT / "pyproject.toml").read_text()
