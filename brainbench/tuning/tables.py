"""Tuned networks -> ``<task>.accuracy.md`` and ``.csv``: how well the task is solved (Table 14), layer by layer (Figure 23)."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from brainbench.backbones.tuned_weights import all_tuned
from brainbench.leaderboard.text_tables import INCOMPLETE, csv, markdown
from brainbench.tuning.recipe import TUNE
from brainbench.util.files import file_name, storage, write_atomically
from brainbench.util.texts import markdown_text

_TUNED, _PROBE, _MAJORITY = "tuned", "linear probe", "majority"
_ROWS = ((_TUNED, ""), (_PROBE, "probe_"), (_MAJORITY, "majority_"))
_READ = (
    "Test images are those that no training image's group is in. tuned: network and head, unless the recipe says head. linear "
    "probe: logistic regression on the same layer's global token of the network as it was, same images. majority: always the "
    "most frequent class. balanced: mean over classes of the share that is named rightly. Figures: mean ± sd over seeds, which "
    "draw the training images too."
)


def write_tables(task: str, cache: Path, folder: Path) -> list[Path]:
    """Write the tables of all networks in the cache that were tuned on ``task``; returns the written files."""
    records = [record for one in all_tuned(cache) if (record := one.record())["task"] == task]
    if not records:
        return []
    stem = f"{file_name(task)}.accuracy"
    written = []
    with storage(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in ((f"{stem}.md", page(task, records)), (f"{stem}.csv", csv(frame(records)))):
            write_atomically(folder / name, text.encode())
            written.append(folder / name)
    return written


def frame(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the CSV: one line per row and tuning, with both accuracies and how much each layer stayed as it was."""
    out = []
    for record in sorted(records, key=_order):
        for row, prefix in _ROWS:
            facts = {name: record[name] for name in ("task", "dataset_version", "backbone", "base_weights")}
            facts |= {"row": row, "layer": record["layer"], "layer_number": record["layer_number"]}
            facts |= {"seed": record["seed"], "recipe": _changed(record)}
            facts |= {name: record[name] for name in ("train_images", "test_images")}
            facts |= {name: record["figures"][prefix + name] for name in ("accuracy", "balanced_accuracy")}
            facts |= {"cka": " ".join(_text(value) for value in record["cka"].values()) if row == _TUNED else ""}
            out.append(facts | {"key": record["key"]})
    return pd.DataFrame(out)


def page(task: str, records: Sequence[Mapping[str, Any]]) -> str:
    """The Markdown page of one task."""
    lines = [f"# Accuracy: {markdown_text(task)}", ""]
    if any(record["simulated"] for record in records):
        lines += ["**Generated images: this says nothing of how well the networks do on photographs.**", ""]
    lines += [_READ, ""]
    rows = pooled(records)
    last = [row for row in rows if row["last"]]
    earlier = {row["backbone"] for row in rows if not row["last"]}
    if last:
        lines += [markdown(pd.DataFrame([_shown(row, part) for row in last for part, _ in _ROWS])), ""]
    if earlier:
        lines += ["## By the layer of the head", "", "Later layers are discarded.", ""]
        some = [row for row in rows if row["backbone"] in earlier]
        lines += [markdown(pd.DataFrame([_by_layer(row) for row in some])), ""]
    lines += [
        "## How much each layer stayed as it was",
        "",
        "Debiased linear CKA of a layer's global tokens before and after tuning, on up to 500 test images, mean over seeds; 1: "
        "unchanged but for a rotation. Columns 1, 2 ...: the layers, early to late.",
        "",
        markdown(_similarity(rows)),
        "",
    ]
    notes = sorted({f"{record['name']}: {note}" for record in records for note in record["notes"]})
    lines += [*(f"- {markdown_text(note)}" for note in notes)]
    return "\n".join(lines).rstrip() + "\n"


def pooled(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per network, weights, layer, recipe and version of the task; only seeds are pooled."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for record in sorted(records, key=_order):
        groups.setdefault(_order(record)[:-1], []).append(record)
    rows = []
    for some in groups.values():
        first = some[0]
        figures = {name: [one["figures"][name] for one in some] for name in first["figures"]}
        cka = {layer: [one["cka"][layer] for one in some] for layer in first["cka"]}
        rows.append(
            {
                name: first[name]
                for name in ("backbone", "base_weights", "layer", "layer_number", "train_images", "test_images")
            }
            | {
                "last": first["last_layer"],
                "recipe": _changed(first),
                "seeds": len(some),
                "figures": figures,
                "cka": cka,
            }
        )
    return rows


def _order(record: Mapping[str, Any]) -> tuple[Any, ...]:
    settings = str(sorted(record["changed"].items()))
    return (
        record["backbone"],
        record["base_weights"],
        settings,
        record["dataset_version"],
        record["layer_number"],
        _changed(record),
        record["seed"],
    )


def _changed(record: Mapping[str, Any]) -> str:
    """The settings of the recipe that differ from the paper's, spelled out."""
    usual = TUNE.resolve_settings({}) | {"images_per_class": 50, "layer": record["layer"]}
    return " ".join(f"{name}={value}" for name, value in record["recipe"].items() if value != usual[name])


def _names(row: Mapping[str, Any]) -> dict[str, str]:
    return {"backbone": " ".join(filter(None, (row["backbone"], row["recipe"]))), "weights": row["base_weights"]}


def _shown(row: Mapping[str, Any], part: str) -> dict[str, str]:
    prefix = dict(_ROWS)[part]
    figures = {word: _mean(row["figures"][prefix + name]) for word, name in _COLUMNS}
    counts = {"train": f"{row['train_images']:,}", "test": f"{row['test_images']:,}", "seeds": str(row["seeds"])}
    return _names(row) | {"row": part} | figures | counts


_COLUMNS = (("accuracy", "accuracy"), ("balanced", "balanced_accuracy"))


def _by_layer(row: Mapping[str, Any]) -> dict[str, str]:
    figures = {
        f"{part} {word}": _mean(row["figures"][prefix + name]) for part, prefix in _ROWS[:2] for word, name in _COLUMNS
    }
    return _names(row) | {"layer": str(row["layer_number"])} | figures | {"seeds": str(row["seeds"])}


def _similarity(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    depth = max(len(row["cka"]) for row in rows)
    out = []
    for row in rows:
        values = [_mean(found, digits=2, spread=False) for found in row["cka"].values()]
        numbered = dict(zip(map(str, range(1, depth + 1)), [*values, *[""] * (depth - len(values))], strict=True))
        out.append(_names(row) | {"head": str(row["layer_number"])} | numbered)
    return pd.DataFrame(out)


def _mean(values: Sequence[float | None], digits: int = 3, *, spread: bool = True) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return INCOMPLETE
    text = f"{statistics.fmean(known):.{digits}f}"
    return text + (f" ± {statistics.stdev(known):.{digits}f}" if spread and len(known) > 1 else "")


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
