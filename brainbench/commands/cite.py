"""The papers, weights, data and libraries behind the boards of some records, as text and as BibTeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from brainbench.errors import BrainbenchError
from brainbench.plugins import library_version
from brainbench.records import Record
from brainbench.registry import JOIN, Registry, Shelf

# As in CITATION.cff.
TITLE = "brainbench: which layers of a vision network the human visual cortex reads"
AUTHORS = "The brainbench developers"
LICENCE = "MIT"
FORM = re.compile(
    r"(?P<author>.+?) \((?P<year>\d{4})\)\. (?P<title>.+?[?!.])( (?P<howpublished>.+?)\.?)??( arXiv:(?P<eprint>[\d.]+\d))?"
)
_LITTLE = {"a", "an", "the", "on", "of"}


@dataclass(frozen=True)
class Citations:
    """What to cite when showing these boards.

    references: a reference -> the names it is cited for; unnamed: names whose cards name no paper; unknown: what is not
    installed, with what its records say; weights, data, libraries: one line each, from the records.
    """

    references: Mapping[str, list[str]]
    unnamed: list[str]
    unknown: list[str]
    weights: list[str]
    data: list[str]
    libraries: list[str]

    def text(self) -> str:
        """Return everything as text, one paragraph per kind."""
        kinds = {
            "brainbench": [f"{AUTHORS}. {TITLE}. Version {library_version('brainbench')}. {LICENCE}"],
            "papers": [f"{', '.join(names)}: {reference}" for reference, names in self.references.items()],
            "no paper is named by": [", ".join(self.unnamed)] if self.unnamed else [],
            "not installed here": self.unknown,
            "weights": self.weights,
            "data": self.data,
            "libraries": self.libraries,
        }
        return "\n\n".join(
            "\n".join([kind, *(f"  {line}" for line in lines)]) for kind, lines in kinds.items() if lines
        )

    def bibtex(self) -> str:
        """Return one BibTeX entry for brainbench and one for each reference."""
        itself = {
            "author": f"{{{AUTHORS}}}",
            "title": TITLE,
            "version": library_version("brainbench"),
            "license": LICENCE,
        }
        return "\n\n".join([_entry("software", "brainbench", itself), *_entries(self.references)])


def behind(records: Iterable[Record], registry: Registry) -> Citations:
    """Collect what these records name.

    Citations come from the cards of what is installed, everything else from the records.
    """
    known = sorted(records, key=lambda record: record.key)
    references: dict[str, list[str]] = {}
    unnamed, unknown = [], []
    for kind, name, said in sorted({used for record in known for used in _used(record)}):
        try:
            citation = _shelf(registry, kind).get(name).card.citation
        except BrainbenchError as error:
            unknown.append(f"{name} ({said}): {error}")
            continue
        for reference in (citation or "").splitlines():
            references.setdefault(reference, []).append(name)
        if not citation:
            unnamed.append(name)
    # Several versions of one metric or plugin have one card.
    return Citations(
        {reference: list(dict.fromkeys(names)) for reference, names in references.items()},
        list(dict.fromkeys(unnamed)),
        unknown,
        weights=sorted({_weights(record) for record in known if record.backbone.weights != "none"}),
        data=sorted({_data(record) for record in known}),
        libraries=sorted({f"{name} {version}" for record in known for name, version in record.versions.items()}),
    )


def _used(record: Record) -> Iterator[tuple[str, str, str]]:
    """Return (kind, name, what the record says about it) of everything that contributed to a record."""
    for name in record.backbone.name.split(JOIN):
        yield "backbones", name.partition("@")[0], record.backbone.plugin
    if record.encoder:
        yield "encoders", record.encoder.name, record.encoder.plugin
    for name, result in record.metrics.items():
        yield "metrics", name, f"metric, version {result.version}"
    yield "datasets", record.dataset.name, f"dataset, version {record.dataset.version}"


def _shelf(registry: Registry, kind: str) -> Shelf[Any]:
    return next(shelf for shelf in registry.shelves() if shelf.kind == kind)


def _weights(record: Record) -> str:
    network = record.backbone
    said = {
        "weights": network.weights,
        "source": network.weights_source,
        "sha256": network.weights_sha256,
        "licence": network.licence,
    }
    return f"{network.name}: " + ", ".join(f"{what} {value}" for what, value in said.items() if value)


def _data(record: Record) -> str:
    facts = record.dataset
    name = facts.title if facts.title == facts.name else f"{facts.title} ({facts.name})"
    return f"{name}, version {facts.version}: licence {facts.licence or 'not stated'}"


def _entries(references: Iterable[str]) -> Iterator[str]:
    taken: set[str] = set()
    for reference in references:
        form = FORM.fullmatch(reference.strip())
        fields = {name: value for name, value in form.groupdict().items() if value} if form else {"note": reference}
        if "eprint" in fields:
            fields["archiveprefix"] = "arXiv"
        if "title" in fields:
            # Braces keep capitals that a style would convert to lower case.
            fields["title"] = f"{{{fields['title'].removesuffix('.')}}}"
        key = base = _key(fields)
        number = 1
        while key in taken:
            number += 1
            key = f"{base}-{number}"
        taken.add(key)
        yield _entry("misc", key, fields)


def _entry(kind: str, key: str, fields: Mapping[str, str]) -> str:
    return "\n".join([f"@{kind}{{{key},", *(f"  {name} = {{{value}}}," for name, value in fields.items()), "}"])


def _key(fields: Mapping[str, str]) -> str:
    """Return a key such as ``yang2024brain``: first author's last name, year, first significant word of the title; ASCII."""
    if "author" not in fields:
        return "reference"
    name = fields["author"].split(" and ")[0].split()[-1]
    words = re.findall(r"\w+", fields["title"].lower())
    word = next((word for word in words if word not in _LITTLE), "")
    plain = unicodedata.normalize("NFKD", f"{name}{fields['year']}{word}".lower())
    return re.sub(r"[^a-z0-9]", "", plain)
