"""The published tables: well formed, of one piece with each other and with what the paper's text says; and where they are shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import scipy.stats

from brainbench.builtin.plugin import register_encoders
from brainbench.leaderboard import published

ROOT = Path(__file__).parents[2]
WORDS = {"Model", "Method", "Dataset", "Size", "Data", "category", "card", "encoder"}
SHAPES = {1: (9, 9), 2: (18, 8), 3: (4, 5), 13: (20, 16), 14: (4, 4), 15: (2, 6), 16: (9, 9)}
CLIP, VIT, SD = "CLIP model, three subjects", "ViT models, subject #1", "Stable Diffusion time steps, subject #1"
HALF = 0.0005  # of the last digit of an R2


def figures(number: int) -> pd.DataFrame:
    """A table with its figures as numbers."""
    table = published.table(number)
    for column in set(table.columns) - WORDS:
        table[column] = pd.to_numeric(table[column])
    return table


def category(name: str) -> pd.DataFrame:
    table = figures(13)
    return table[table["category"] == name].set_index("Model").drop(columns=["category", "card"])


def base() -> pd.DataFrame:
    """Table 2's rows of base size and full data, by model."""
    table = figures(2)
    return table[(table["Size"] == "B") | (table["Size"] == "B/16")].set_index("Model")


def best(column: pd.Series[float]) -> set[str]:
    """Who has rank 1 of a column, ties shared."""
    ranks = scipy.stats.rankdata(-column, method="min")
    return set(column.index[ranks == 1])


def test_the_folder_holds_these_tables_and_their_readme() -> None:
    names = {path.name for path in published.folder().iterdir()}
    assert names == {f"table_{number:02d}.csv" for number in SHAPES} | {"README.md"}


@pytest.mark.parametrize("number", SHAPES)
def test_every_figure_is_printed_with_its_digits_and_in_range(number: int) -> None:
    table = published.table(number)
    assert table.shape == SHAPES[number]
    assert not table.duplicated([c for c in table.columns if c in WORDS]).any()
    for column in set(table.columns) - WORDS:
        digits = {"slope": 2, "b0": 2, "b1": 2}.get(column, 3)
        times = column in ("Time", "MACs")
        wanted = r"\d+(\.\d)?" if times else rf"0\.\d{{{digits}}}"
        assert table[column].str.fullmatch(wanted).all(), column
        low, high = (1, 100) if times else (0.005, 1)
        assert pd.to_numeric(table[column]).between(low, high).all(), column
    assert all(text.isascii() for text in table.to_numpy().flat)


def test_every_card_and_encoder_that_is_named_is_one_of_ours() -> None:
    sources = [path.read_text() for path in ROOT.glob("plugins/*/src/*/plugin.py")]
    named = {card for number in SHAPES for card in published.table(number)["card"]} - {""}
    assert len(named) == 18
    assert not [card for card in named if not any(f'"{card}"' in text for text in sources)]
    assert set(published.table(16)["encoder"]) <= {card.name for card in register_encoders()}


def test_table_2_b1_is_slope_and_b0() -> None:
    table = figures(2)
    gap = (table["slope"] + table["b0"] - table["b1"]).round(2)
    # Three figures of two digits: off by one in the last at most.
    assert gap.abs().max() <= 0.01
    off = table.loc[gap != 0, ["Model", "Size", "Data"]].agg(" ".join, axis=1)
    assert set(off) == {"CLIP B/32 14M", "ImageNet B IN-1K", "DiNOv2 L LVD-142M"}


def test_table_2_stands_in_the_order_of_its_print() -> None:
    rows = (figures(2)["Model"] + " " + figures(2)["Size"]).tolist()
    assert rows == [
        *("CLIP L/14", "CLIP B/16", "CLIP B/32", "CLIP B/32", "ImageNet L", "ImageNet B", "SAM H", "SAM L", "SAM B"),
        *("DiNOv2 G", "DiNOv2 L", "DiNOv2 B", "MAE H", "MAE L", "MAE B", "MoCov3 L", "MoCov3 B", "MoCov3 S"),
    ]


def test_table_2_says_what_section_4_3_says_of_it() -> None:
    table = figures(2).set_index(["Model", "Size"])
    assert best(table["slope"]) == {("CLIP", "L/14")}
    for model, rows in figures(2).groupby("Model"):
        grows = rows["slope"].is_monotonic_decreasing  # printed large to small
        # The caption; appendix D.3 has MAE rise from B to L, and fall to H.
        assert grows == (model == "CLIP"), model
        assert rows["slope"].is_monotonic_increasing == (model not in ("CLIP", "MAE")), model
    assert figures(2).loc[figures(2)["Model"] == "CLIP", "slope"].tolist() == [0.53, 0.50, 0.32, 0.11]


def test_table_13_says_what_appendix_d_1_says_of_it() -> None:
    vit, sd, subjects = category(VIT), category(SD), category(CLIP)
    assert {roi for roi in vit if best(vit[roi]) == {"MAE"}} == {"V1", "V2", "V3", "OPA", "OWFA"}
    assert {roi for roi in vit if best(vit[roi]) == {"CLIP"}} == {*vit.columns} - {"V1", "V2", "V3", "OPA", "OWFA"}
    assert all("T35" in best(sd[roi]) for roi in ("EBA", "FBA", "OPA", "PPA"))
    assert all("T45" in best(sd[roi]) for roi in ("V1", "V2", "V3", "V4"))
    late, early = sd.loc["T25":], sd.loc[:"T20"]
    assert (early.max() < late.min()).drop("V4").all()
    assert early.loc["T20", "V4"] - late.loc["T25", "V4"] == pytest.approx(0.001)
    assert best(subjects["V1"]) == {"CLIP (subject #2)"}
    assert best(subjects["FFA"]) == best(subjects["FBA"]) == {"CLIP (subject #1)"}
    assert all(best(-subjects[roi]) == {"CLIP (subject #3)"} for roi in ("V1", "V2", "V3"))


def test_table_13_is_of_one_piece() -> None:
    assert category(CLIP).loc["CLIP (subject #1)"].equals(category(VIT).loc["CLIP"])
    table = figures(13).drop(columns=["category", "Model", "card"])
    rois = table.drop(columns="all")
    # The mean over all voxels is none of the ROIs' extremes.
    assert ((rois.min(axis=1) < table["all"]) & (table["all"] < rois.max(axis=1))).all()


def test_one_network_has_one_score_in_all_tables() -> None:
    original = figures(3).set_index("Model")["Original"]
    assert original.equals(base()["R2"][original.index])
    assert figures(16).set_index("Method").loc["FactorTopy (Ours)", "all"] == figures(2).loc[0, "R2"]
    decay = figures(15).set_index("Model")["6000"]
    assert decay["CLIP"] == base().loc["CLIP", "R2"]
    assert decay["DiNOv2"] == category(VIT).loc["DiNOv2", "all"]
    apart = (base()["R2"] - category(VIT)["all"]).round(3)
    # Both tables have an error of 0.001.
    assert apart.abs().to_dict() == {**dict.fromkeys(base().index, 0.001), "DiNOv2": 0.002}


def _means() -> dict[str, pd.Series[float]]:
    """Rows of Table 1 -> the same network's row of Table 13."""
    vit, sd = category(VIT), category(SD)
    return {name: vit.loc[name] for name in vit.index} | {"SD (T20)": sd.loc["T20"], "SD (T40)": sd.loc["T40"]}


def test_table_1_is_a_root_mean_square_of_table_13s_distance_to_max() -> None:
    """Of d = max - model >= 0: mean(d) <= rms(d) over any number of voxels, while a root sum of N squares is rms(d) * sqrt(N)."""
    first = figures(1).set_index("Model")
    assert first.index[0] == "max"
    assert set(first.index[1:]) == _means().keys()
    most_voxels = {}
    for model, row in _means().items():
        for roi in ("V1", "OPA", "EBA", "FFA", "PPA"):
            printed, short = first.loc[model, roi], first.loc["max", roi] - row[roi]
            assert short > 0, (model, roi)
            assert printed + HALF >= short - 2 * HALF, (model, roi)
            # Table 13 is itself printed with +- 0.001.
            most_voxels[roi] = min(most_voxels.get(roi, 1e9), ((printed + HALF) / (short - 0.001 - HALF)) ** 2)
        assert min(row["V2"], row["V3"]) < first.loc["max", "V2V3"]
    # As a root sum the table would speak of ROIs of one voxel.
    assert all(1 <= voxels < 3 for voxels in most_voxels.values()), most_voxels


def test_table_3_says_what_appendix_d_4_says_of_it() -> None:
    table = figures(3).set_index("Model")
    assert table.loc[["CLIP", "DiNOv2", "SAM"], ["Original", "ISIC"]].to_numpy().tolist() == [
        [0.131, 0.115],
        [0.128, 0.085],
        [0.111, 0.086],
    ]
    for task in ("ISIC", "EuroSAT"):
        lost = 1 - table[task] / table["Original"]
        assert lost[["CLIP", "MAE"]].max() < lost[["SAM", "DiNOv2"]].min()
    accuracy = figures(14).set_index("Model")
    assert best(accuracy["ISIC"]) == best(accuracy["EuroSAT"]) == {"CLIP"}


def test_table_16_says_what_appendix_f_says_of_it() -> None:
    table = figures(16).set_index("Method")
    assert best(table["all"]) == {"+ multiple sample"}
    ablations = [name for name in table.index if name.startswith("- ")]
    assert (table.loc[ablations, "all"] < table.loc["FactorTopy (Ours)", "all"]).all()
    assert table.loc["classToken", ["Time", "MACs"]].tolist() == [1, 1]


def rows(section: str, columns: str) -> list[list[str]]:
    """The rows of the Markdown table that has this column, as cells."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    heads = [number for number, cells in enumerate(lines) if cells[0] in ("category", "Model")]
    for start, end in zip(heads, [*heads[1:], len(lines)], strict=True):
        if columns in lines[start]:
            return [lines[start], *lines[start + 2 : end]]
    raise AssertionError(columns)


def test_the_section_shows_both_tables_whole_and_unranked() -> None:
    text = published.section("nsd")
    assert text.startswith("### Beside it: as published\n")
    assert text.endswith("2024.\n")
    assert "CVPR" in text
    assert "rank |" not in text
    for number, column in ((13, "VWFA"), (2, "slope")):
        head, *body = rows(text, column)
        shown = pd.DataFrame(body, columns=head)
        pd.testing.assert_frame_equal(
            shown[published.table(number).columns], published.table(number), check_dtype=False
        )
    assert ["ViT models, subject #1", "SAM", "sam/vit-b", "0.110"] in [r[:4] for r in rows(text, "VWFA")]


@pytest.mark.parametrize(
    ("dataset", "warned"), [("nsd", False), ("algonauts2023", False), ("demo", True), ("NSD", True)]
)
def test_other_data_are_not_to_be_compared(dataset: str, warned: bool) -> None:
    assert ("come from other data than this board's: do not compare" in published.section(dataset)) == warned


def test_the_readme_names_every_table_and_the_source() -> None:
    text = (published.folder() / "README.md").read_text()
    assert set(re.findall(r"^\| `(table_\d\d\.csv)`", text, flags=re.M)) == {f"table_{n:02d}.csv" for n in SHAPES}
    assert all(word in text for word in ("Huzheng Yang, James Gee and Jianbo Shi", "CVPR", "2024"))


@pytest.mark.slow
def test_a_wheel_brings_the_tables(tmp_path: Path) -> None:
    """By way of the source distribution, so that neither leaves them out."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = "from brainbench.leaderboard import published; print(published.__file__); print(published.folder()); print(published.section('nsd'), end='')"
    environment["PYTHONPATH"] = str(tmp_path / "site")
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment, cwd=tmp_path
    ).stdout
    module, place, section = shown.split("\n", 2)
    assert module == str(tmp_path / "site/brainbench/leaderboard/published.py")
    assert place == str(tmp_path / "site/brainbench/published")
    assert section == published.section("nsd")
    for path in (ROOT / "leaderboards/paper").iterdir():
        assert (Path(place) / path.name).read_bytes() == path.read_bytes()
