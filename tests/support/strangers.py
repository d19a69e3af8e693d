"""Hypothesis strategies: what strangers write, whole and damaged."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from records import a_record

from brainbench.metrics.bootstrap import DRAWS, packed
from brainbench.records import Display, Failure, MetricResult, Record
from brainbench.util.texts import misnamed

# What breaks tables, pages, numbers and paths.
HOSTILE = [
    "a|b", "<script>alert(1)</script>", "**bold**", "*x", "[x](http://y)", "`code`", "a\nb", "\r\n| x |", "&lt;", "\\", "\\|",
    "%", "$x$", "{", "}", "\\input{/etc/passwd}", "=1+1", '"', "a,b", "../up", "/abs", "..", "é", "\u202e", "nan", "-0", "#", "~^",
    "\x00", "\x1b[2J", " ", "", "a  b", "\u2028",
]  # fmt: skip
texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=12))
names = texts.filter(lambda text: misnamed(text) is None)
figures = st.one_of(
    st.floats(-1, 1), st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100)
)
leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)


@st.composite
def results(draw: st.DrawFn) -> MetricResult:
    """A metric's scores, notes and display, as anybody may write them."""
    values = draw(st.dictionaries(st.one_of(st.just("all"), texts), figures, max_size=3))
    spread = draw(st.floats(0, 1))
    drawn = packed(np.random.default_rng(0).normal(0, spread, DRAWS))
    display = Display(
        columns=draw(st.dictionaries(st.one_of(st.just("all"), texts), texts, max_size=3)),
        roi_columns=draw(st.booleans()),
        direction=draw(st.sampled_from(["higher", "lower", "none"])),
        digits=draw(st.integers(0, 6)),
        layers=draw(st.dictionaries(texts, st.lists(texts, max_size=2), max_size=1)),
        explanation=draw(st.dictionaries(texts, texts, max_size=2)),
        precedence=draw(st.integers(-5, 50)),
        errors=draw(texts),
        errors_note=draw(texts),
    )
    return MetricResult(
        version=draw(st.sampled_from(["1", "2"])),
        display=display,
        values=values,
        not_applicable=draw(st.none() | texts),
        notes=draw(st.lists(texts, max_size=2)),
        draws={name: drawn for name in values if draw(st.booleans())},
        failed=draw(st.none() | st.builds(Failure, texts, texts, texts, texts)),
    )


@st.composite
def records(draw: st.DrawFn) -> Record:
    """A record that a reader accepts: of few backbones, subjects and seeds, so that boards have rows to compare."""
    own = draw(st.sampled_from(["1", "2", "a|b"]))
    made = a_record(
        draw(st.sampled_from(["net/a", "net/b"]) | names),
        draw(st.sampled_from(["fit", ""]) | names),
        subject=own,
        control=draw(st.booleans()),
        dataset={
            "name": draw(st.sampled_from(["data", "lab/things", "a|b", "../up"])),
            "title": draw(names),
            "version": draw(st.sampled_from(["1", "<b>"])),
            "simulated": draw(st.booleans()),
            "changed": draw(st.dictionaries(texts, texts, max_size=1)),
            "rois": draw(st.dictionaries(texts, st.integers(1, 9), max_size=2)),
            "noise_ceiling": draw(st.dictionaries(st.just("all") | texts, figures, max_size=2)),
            "split_sizes": {"train": 80, "val": 10, "test": draw(st.sampled_from([0, 1, 2, 10]))},
            "test_images": draw(st.sampled_from([0, 1, 10])),
            "contents": draw(
                st.dictionaries(st.sampled_from(["1", "2", "a|b"]), st.sampled_from(["x", "y"]), max_size=3)
            ),
            "licence": draw(st.none() | texts),
        },
        seed=draw(st.integers(0, 1)),
        metrics=draw(st.dictionaries(st.sampled_from(["r2", "hierarchy"]) | names, results(), max_size=2)),
        notes=draw(st.lists(texts, max_size=2)),
        versions=draw(st.dictionaries(texts, texts, max_size=2)),
    )
    backbone = replace(made.backbone, weights=draw(texts), changed=draw(st.dictionaries(texts, texts, max_size=1)))
    failed = draw(st.booleans()) and draw(st.booleans())
    return replace(
        made,
        backbone=backbone,
        status="failed" if failed else "done",
        failure=Failure(draw(texts), "fit", "ValueError", draw(texts)) if failed else None,
    )


@st.composite
def damaged_documents(draw: st.DrawFn, whole: Callable[[], Any]) -> bytes:
    """A JSON document of which one place holds something else."""
    document = copy.deepcopy(whole())
    place, key = document, draw(st.sampled_from(sorted(document)))
    while isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
        place = place[key]
        key = draw(st.sampled_from(sorted(place)) if isinstance(place, dict) else st.integers(0, len(place) - 1))
    if draw(st.booleans()) and isinstance(place, dict):
        del place[key]
    else:
        place[key] = draw(documents)
    return json.dumps(document).encode()


@st.composite
def damaged(draw: st.DrawFn, wholes: list[bytes]) -> bytes:
    """A file that was cut short, had bytes changed, or had some added."""
    content = bytearray(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        match draw(st.sampled_from(["cut", "change", "add", "double"])):
            case "cut":
                del content[place:]
            case "change" if content:
                content[place] = draw(st.integers(0, 255))
            case "add":
                content[place:place] = draw(st.binary(max_size=9))
            case "double":
                content += content[place:]
    return bytes(content[:100_000])
