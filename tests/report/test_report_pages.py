from __future__ import annotations

import gc
import html
import json
import re
import weakref
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fits import failed, fit, tokens
from painted import LAYERS, painted, patch

from brainbench.leaderboard import render as leaderboard
from brainbench.metrics.layer_profile import layer_confidence, layer_place
from brainbench.plot import from_record, layer_paint, together
from brainbench.records import MetricResult, Record
from brainbench.report.pages import render
from brainbench.results.arrays import read_arrays


def page(files: Mapping[Path, bytes], start: str = "index.html") -> str:
    return next(content for path, content in files.items() if path.as_posix().startswith(start)).decode()


def stored(files: Mapping[Path, bytes], start: str = "data/") -> dict[str, dict]:
    return json.loads(page(files, start).split(" = ", 1)[1].removesuffix(";\n"))


def decoded(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(b64decode(text), kind)


def test_figures_of_the_board_are_those_of_the_csv(tmp_path: Path) -> None:
    records = [painted(tmp_path, name, subject=s, kept=False) for name in ("net/a", "net/b") for s in ("1", "2")]
    same = MetricResult("1", records[0].metrics["r2"].display, {"all": 0.1, "V1": 0.1})
    records.append(fit("pixels", 0.1, control=True, metrics={"r2": same}))
    files = render(records, tmp_path)
    csv = pd.read_csv(StringIO(leaderboard.render(records)[Path("data.csv")]), dtype=str).fillna("")
    found = []
    for line in re.findall(r"<tr data-text.*?</tr>", page(files), flags=re.S):
        cells = re.findall(r'<t[dh][^>]*data-value="([^"]*)"(?: title="([^"]*)")?', line)
        found.append(cells)
    assert len(found) == len(csv) == 3
    for cells, (_, line) in zip(found, csv.iterrows(), strict=True):
        figures = cells[4 if line["rank"] else 3 : -1]
        headings = ["R2", "of ceiling", "V1", "EBA"]
        assert [value for value, _ in figures] == [line[heading] for heading in headings]
        if line["R2 low"]:
            said = f"R2: {line['R2']} ± {line['R2 sd']}, 95 % interval {line['R2 low']} to {line['R2 high']}"
            assert figures[0][1] == said
    # Heat is the share of the highest ROI figure of the board.
    tops = csv[["V1", "EBA"]].replace("", "0").astype(float).to_numpy().max()
    heats = [float(h) for h in re.findall(r"--heat: ([\d.]+)", page(files))]
    assert max(heats) == 1
    assert heats[1] == pytest.approx(float(csv["EBA"][0]) / tops, abs=1e-3)


@pytest.mark.slow
def test_what_is_painted_is_what_was_kept(tmp_path: Path) -> None:
    record = painted(tmp_path, "net/a")
    arrays, _ = read_arrays(tmp_path, record) or ({}, {})
    panel = stored(render([record], tmp_path))["subject 1"]
    layer = arrays["selectors.layer"]
    np.testing.assert_array_equal(decoded(panel["vertex"], "<u2"), np.tile(patch(60), 2))
    right = np.unpackbits(decoded(panel["right"], "u1"))[:120]
    np.testing.assert_array_equal(right, arrays["surface.right"])
    np.testing.assert_array_equal(np.unpackbits(decoded(panel["rois"]["V1"], "u1"))[:120], arrays["roi.V1"])
    np.testing.assert_array_equal(decoded(panel["values"]["r2"], "<f4"), arrays["per_voxel.r2"])
    np.testing.assert_allclose(decoded(panel["values"]["place"], "<f4"), layer @ [0, 0.5, 1], rtol=1e-6)
    np.testing.assert_array_equal(decoded(panel["best"], "<u2"), layer.argmax(axis=1))
    np.testing.assert_allclose(decoded(panel["weights"], "u1").reshape(-1, 3) / 255, layer, atol=0.5 / 255 + 1e-6)
    paint = layer_paint(layer, layer_confidence(layer))
    np.testing.assert_allclose(decoded(panel["paint"], "u1").reshape(-1, 3) / 255, paint, atol=0.5 / 255 + 1e-6)
    assert panel["layers"] == list(LAYERS)
    means = {row["roi"]: row for row in panel["means"]}
    assert means["V1"]["place"] == pytest.approx(layer_place(layer)[arrays["roi.V1"]].mean(), rel=1e-5)
    assert means["all"]["voxels"] == 120


@pytest.mark.slow
def test_the_first_tab_is_the_average_of_the_subjects(tmp_path: Path) -> None:
    records = [painted(tmp_path, "net/a", subject=name) for name in ("1", "2")]
    files = render(records, tmp_path)
    panels = stored(files)
    assert list(panels) == ["all", "subject 1", "subject 2"]
    mean = together([from_record(record, tmp_path) for record in records], "")
    np.testing.assert_allclose(decoded(panels["all"]["values"]["r2"], "<f4"), mean.r2, rtol=1e-6)
    text = page(files, "rows/")
    assert re.findall(r'role="tab"[^>]*>([^<]*)<', text) == ["Average of 2 subjects", "Subject 1", "Subject 2"]
    kinds = {path.stem.split("-", 3)[-1].rsplit("-", 1)[-1] for path in files if path.parent == Path("figures")}
    assert kinds == {"space", "selectors", "correlation", "training"}
    assert all(f'src="../{p.as_posix()}"' in text for p in files if p.parent == Path("figures"))


@pytest.mark.slow
def test_without_a_mesh_there_are_strips_and_no_cortex(tmp_path: Path) -> None:
    records = [painted(tmp_path, "net/a", surface=False)]
    files = render(records, tmp_path)
    assert Path("assets/mesh.js") not in files
    text = page(files, "rows/")
    assert "<canvas" not in text
    assert "mesh.js" not in text
    kinds = {path.stem.rsplit("-", 1)[-1] for path in files if path.parent == Path("figures")}
    assert {"layers", "weights", "scale", "r2", "space"} <= kinds
    assert 'data-side="scatter"' in page(files, "compare.html")
    assert "vertex" not in stored(files)["subject 1"]


def test_rows_of_which_only_scores_are_kept_say_how_to_get_the_rest(tmp_path: Path) -> None:
    record = replace(fit("a", 0.5), history=[{"step": 1.0, "loss": 0.5}, {"step": 2.0, "loss": 0.4}])
    files = render([record], tmp_path)
    text = page(files, "rows/")
    assert "Of subject 1 no selectors or figures per voxel are kept" in text
    assert "--keep all" in text
    assert [p.stem.rsplit("-", 1)[-1] for p in files if p.parent == Path("figures")] == ["training"]
    assert Path("compare.html") not in files


@pytest.mark.slow
def test_names_are_text_and_never_run(tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>'
    record = painted(tmp_path, evil)
    record = replace(record, notes=[evil], dataset=replace(record.dataset, title=evil))
    lost = replace(failed(evil), dataset=record.dataset, encoder=replace(record.encoder, name=evil))  # type: ignore[type-var]
    for path, content in render([record, lost], tmp_path).items():
        assert re.fullmatch(r"[\w./-]+", path.as_posix())
        if path.suffix == ".html":
            text = content.decode()
            assert "alert(" in html.unescape(text)
            assert "<script>" not in text


def test_failed_jobs_and_trust_are_told(tmp_path: Path) -> None:
    trusting = {"trust": MetricResult("1", values={"identifiability": 0.01}, notes=["cannot be trusted"])}
    records: list[Record] = [failed("a"), tokens("a"), replace(fit("b", 0.5), metrics=trusting), tokens("b")]
    files = render(records, tmp_path)
    index = page(files)
    assert "p 1 failed at fit: ValueError: no" in index
    assert "3 done, 1 failed" in index
    assert "Subject 1: cannot be trusted" in page(files, "rows/data-b")


@pytest.mark.slow
def test_a_simulated_board_says_so_on_every_page(tmp_path: Path) -> None:
    record = painted(tmp_path, "net/a")
    record = replace(record, dataset=replace(record.dataset, simulated=True))
    for path, content in render([record], tmp_path).items():
        if path.suffix == ".html":
            assert b"this shows that the tool works, not which model is brain-like" in content, path


def test_the_noise_ceiling_stands_among_the_controls(tmp_path: Path) -> None:
    index = page(render([fit("a", 0.5)], tmp_path))
    assert re.search(r"<h3>Controls \(unranked\)</h3>.*noise ceiling.*0\.600", index, flags=re.S)


@pytest.mark.slow
def test_voxels_of_one_row_are_read_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many networks and a whole brain they are gigabytes."""
    held: list[weakref.ref[Any]] = []
    most = 0

    def read(record: Record, folder: Path) -> Any:
        nonlocal most
        found = from_record(record, folder)
        held.append(weakref.ref(found))
        gc.collect()
        most = max(most, sum(one() is not None for one in held))
        return found

    monkeypatch.setattr("brainbench.report.rows.from_record", read)
    render([painted(tmp_path, f"net/{name}") for name in "abcde"], tmp_path)
    assert len(held) == 5
    assert most <= 2  # one that is read, and the one before it
