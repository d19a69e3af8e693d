from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import pandas as pd
from records import a_record

from brainbench.leaderboard.render import render
from brainbench.records import Display, MetricResult, Record

R2 = Display({"all": "R2"}, digits=3)
PAGE, TABLE = Path("data.curve.md"), Path("data.curve.csv")


def record(
    images: int,
    r2: float,
    backbone: str = "net/a",
    *,
    subject: str = "1",
    seed: int = 0,
    control: bool = False,
    version: str = "1",
    split: str = "s",
    changed: Mapping[str, object] | None = None,
) -> Record:
    """images: 0 for all."""
    # Hashes sort in another order for every other subject.
    split_hash = f"{split}{images if subject == '1' else 9000 - images}" if images else f"{split}{subject}"
    own = dict(changed or {}) | ({"train_images": images} if images else {})
    return a_record(
        backbone,
        subject=subject,
        control=control,
        dataset={
            "version": version,
            "responses_key": f"r{images}",
            "split_hash": split_hash,
            "changed": own,
            "full_split_hash": f"{split}{subject}" if images else None,
        },
        key=f"{images}{backbone}{subject}{seed}{version}{split}{own}".encode().hex(),
        seed=seed,
        metrics={"r2": MetricResult("1", R2, {"all": r2})},
    )


def table(*records: Record) -> pd.DataFrame:
    return pd.read_csv(StringIO(render(records)[TABLE]), index_col="backbone")


def test_a_column_a_size_ascending_and_all_last() -> None:
    found = table(record(0, 0.5), record(1000, 0.4), record(200, 0.2))
    assert [name for name in found.columns if name.removesuffix(" sd") in ("200", "1000", "all")] == [
        "200", "200 sd", "1000", "1000 sd", "all", "all sd",
    ]  # fmt: skip
    assert found.loc["net/a", ["200", "1000", "all"]].tolist() == [0.2, 0.4, 0.5]
    assert found.loc["net/a", "figure"] == "R2"


def test_seeds_and_subjects_of_one_size_are_pooled_and_no_others() -> None:
    records = [record(n, n / 1000 + int(s) / 100, subject=s) for n in (100, 200, 300) for s in ("1", "2")]
    found = table(*records)
    for size in (100, 200, 300):
        assert abs(found.loc["net/a", str(size)] - (size / 1000 + 0.015)) < 1e-9
        assert abs(found.loc["net/a", f"{size} sd"] - 0.01 / 2**0.5) < 1e-6


def test_the_best_at_the_largest_size_first_and_controls_apart() -> None:
    text = render(
        [
            *(record(n, r2, "net/a") for n, r2 in ((100, 0.3), (0, 0.4))),
            *(record(n, r2, "net/b") for n, r2 in ((100, 0.2), (0, 0.5))),
            *(record(n, 0.9, "pixels", control=True) for n in (100, 0)),
        ]
    )[PAGE]
    assert text.index("net/b") < text.index("net/a") < text.index("## Controls") < text.index("pixels")
    assert "| net/b      | v1        | fit       | 0.200 | 0.500 |" in text


def test_a_row_without_some_size_says_so() -> None:
    files = render([record(100, 0.1), record(0, 0.2), record(100, 0.3, "net/b")])
    assert next(line for line in files[PAGE].splitlines() if "net/b" in line).endswith("| 0.300 |     - |")
    assert pd.isna(pd.read_csv(StringIO(files[TABLE]), index_col="backbone").loc["net/b", "all"])


def test_an_incomplete_row_has_no_mean() -> None:
    found = table(
        record(100, 0.1), record(100, 0.1, seed=1), record(0, 0.2), record(100, 0.5, "net/b"), record(0, 0.6, "net/b")
    )
    assert pd.isna(found.loc["net/b", "100"])
    assert found.loc["net/b", "all"] == 0.6


def test_one_size_is_no_curve() -> None:
    assert PAGE not in render([record(0, 0.5), record(0, 0.6, "net/b")])
    assert PAGE not in render([record(100, 0.5)])


def test_other_splits_versions_settings_and_subjects_are_no_points_of_a_curve() -> None:
    whole = record(0, 0.5)
    for other in (
        record(100, 0.3, split="t"),
        record(100, 0.3, version="2"),
        record(100, 0.3, changed={"seed": 1}),
        record(100, 0.3, subject="2"),
    ):
        assert PAGE not in render([whole, other])


def test_sizes_never_share_a_main_table() -> None:
    text = render([record(100, 0.1), record(0, 0.2)])[Path("data.md")]
    assert text.count("| net/a") == 2
    assert "Edition 2 of 2" in text


def test_the_order_of_records_does_not_matter() -> None:
    records = [record(n, n / 1000, b) for n in (100, 0, 300) for b in ("net/a", "net/b")]
    assert render(records) == render(records[::-1])
