"""The tables of docs/minis.md: what each mini learned, from its plugin, and what it explains of the demo, from the records.

python docs/minis_tables.py     writes them between their marks
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from brainbench.results.store import read_records

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "minis.md"
FAMILIES = ("imagenet", "clip", "mocov3", "dinov2", "mae", "sam", "sd")
TWIN = "@untrained"


def learned() -> str:
    """One row for every figure of a network's own objective."""
    rows = []
    for family in FAMILIES:
        path = ROOT / f"plugins/brainbench-plugin-{family}/src/brainbench_{family}/mini.json"
        facts = json.loads(path.read_text())
        for name, value in facts["held_out"].items():
            if name.startswith("chance_"):
                continue
            rows.append(
                {
                    "network": f"{family}/mini",
                    "scenes seen": f"{facts['recipe']['images']:,}",
                    "score, on 2,000 scenes it never saw": name.replace("_", " "),
                    "trained": f"{value:.3f}",
                    "untrained": f"{facts['untrained'][name]:.3f}",
                    "chance": f"{facts['held_out'][f'chance_{name}']:.3f}",
                }
            )
    return _markdown(rows)


def explained() -> str:
    """R2 of every trained mini and of its untrained twin, and what else the board says of factortopy's fits."""
    figures, rows = _figures(), []
    for encoder in ("factortopy", "classtoken"):
        for family in FAMILIES:
            name = f"{family}/mini"
            ours, twin = (figures[one, encoder] for one in (name, name + TWIN))
            r2, before = (_each(part, "r2", "all") for part in (ours, twin))
            rows.append(
                {
                    "encoder": encoder,
                    "network": name,
                    "R2": f"{r2.mean():.3f}",
                    "R2 untrained": f"{before.mean():.3f}",
                    "subjects in which it beats its twin": f"{int((r2 > before).sum())} of {len(r2)}",
                    **{roi: f"{_each(ours, 'r2', roi).mean():.3f}" for roi in ("V1", "hV4", "EBA", "PPA")},
                }
            )
    return _markdown(rows)


def hierarchy() -> str:
    """Slope, confidence and how far layers can be told apart, of factortopy's fits."""
    figures, rows = _figures(), []
    for family in FAMILIES:
        name = f"{family}/mini"
        ours, alike = figures[name, "factortopy"], figures[name, ""]
        rows.append(
            {
                "network": name,
                **{key: f"{_each(ours, 'hierarchy', key).mean():.2f}" for key in ("slope", "b0", "b1")},
                "confidence": f"{_each(ours, 'confidence', 'all').mean():.2f}",
                "neighbour r": _said(alike, "neighbours"),
                "neighbour CKA": _said(alike, "neighbours_cka"),
                "identifiability": f"{_each(ours, 'trust', 'identifiability').mean():.2f}",
            }
        )
    return _markdown(rows)


TABLES = {"learned": learned, "explained": explained, "hierarchy": hierarchy}


def with_tables(text: str) -> str:
    """The page's text with its tables as they ought to be."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}: python docs/minis_tables.py -->\n", f"<!-- /{name} -->\n"
        text = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", f"{begin}\n{table()}\n{end}", text, flags=re.DOTALL)
    return text


def _figures() -> Mapping[tuple[str, str], list[Mapping[str, Mapping[str, float]]]]:
    """(backbone, encoder or "") -> metric -> figures, one mapping a record, by subject."""
    found: dict[tuple[str, str], list[Mapping[str, Mapping[str, float]]]] = {}
    records = read_records(ROOT / "leaderboards" / "records")
    for record in sorted(records, key=lambda record: record.dataset.subject):
        key = (record.backbone.name, record.encoder.name if record.encoder else "")
        found.setdefault(key, []).append({name: metric.values for name, metric in record.metrics.items()})
    return found


def _each(records: list[Mapping[str, Mapping[str, float]]], metric: str, figure: str) -> np.ndarray:
    return np.array([record[metric][figure] for record in records])


def _said(records: list[Mapping[str, Mapping[str, float]]], figure: str) -> str:
    values = [record["layers"][figure] for record in records if figure in record.get("layers", {})]
    return f"{np.mean(values):.2f}" if values else "n/a"


def _markdown(rows: list[dict[str, str]]) -> str:
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True) + "\n"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
