from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from importlib import invalidate_caches
from pathlib import Path

import pytest
import toy
from PIL import Image

from brainbench import BackboneCard, DatasetCard, EncoderCard, MetricCard, Setting, UsageError, lazy
from brainbench.cards import Card
from brainbench.planning import keys
from brainbench.planning.backbones import pick_backbones
from brainbench.planning.settings import Assignments
from brainbench.planning.tokens import TokenRequest
from brainbench.plugins import Plugin
from brainbench.types import Stimuli, Weights

PLUGIN = Plugin("toy", "toy-dist", "1.0")


def facts(name: str = "toy/net", plugin: Plugin = PLUGIN, **settings: object) -> dict[str, object]:
    return keys.card_facts(toy.backbone(name), plugin, settings)


def test_the_key_changes_with_everything_that_matters_and_with_nothing_else() -> None:
    base = keys.features_key(facts(), "images", "8")[0]
    others = [
        keys.features_key(facts("toy/other"), "images", "8")[0],
        keys.features_key(facts(plugin=Plugin("toy", "toy-dist", "1.1")), "images", "8")[0],
        keys.features_key(facts(dtype="float32"), "images", "8")[0],
        keys.features_key(facts(), "other images", "8")[0],
        keys.features_key(facts(), "images", "native")[0],
    ]
    assert len({base, *others}) == 6
    assert keys.features_key(facts(batch=4), "images", "8")[0] == base


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed code; caches of what is installed are emptied, as they are in a new process."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    _new_process()


def _new_process() -> None:
    invalidate_caches()
    for one in (keys._packages, keys._package_digest, keys._parts_digest):
        one.cache_clear()


CARDS: list[Callable[[lazy], Card]] = [
    lambda loader: BackboneCard(name="x", loader=loader),
    lambda loader: EncoderCard(name="x", loader=loader),
    lambda loader: MetricCard(name="x", loader=loader, needs=frozenset({"responses"}), columns={}),
    lambda loader: DatasetCard(name="x", loader=loader),
]


@pytest.mark.parametrize("make", CARDS, ids=["backbone", "encoder", "metric", "dataset"])
def test_an_edit_anywhere_in_a_plugins_package_gives_another_key(make: Callable[[lazy], Card], site: Path) -> None:
    (site / "edited/deep").mkdir(parents=True)
    (site / "edited/loader.py").write_text("def load(): return 1")
    helper = site / "edited/deep/table.json"
    helper.write_text("1")
    card = make(lazy("edited.loader:load"))
    before = keys.card_facts(card, PLUGIN, {})
    helper.write_text("2")
    assert keys.card_facts(card, PLUGIN, {}) == before  # read once per process
    _new_process()
    assert keys.card_facts(card, PLUGIN, {}) != before
    assert "edited" not in sys.modules


def test_what_a_setting_points_at_counts_and_where_it_is_does_not(tmp_path: Path) -> None:
    card = toy.encoder("fit/from-files", settings=(Setting("weights", str, "", "a folder", path=True),))

    def facts(folder: Path) -> dict[str, object]:
        return keys.card_facts(card, PLUGIN, card.resolve_settings({"weights": str(folder)}))

    first = tmp_path / "first"
    first.mkdir()
    (first / "layer.bin").write_text("1")
    before = facts(first)
    moved = first.rename(tmp_path / "moved")
    assert facts(moved) == before
    (moved / "layer.bin").write_text("22")
    assert facts(moved) != before
    with pytest.raises(UsageError, match=r"fit/from-files.weights=.*first: nothing is there"):
        facts(first)
    keys.card_facts(card, PLUGIN, card.resolve_settings({}))


def test_every_package_of_a_distribution_counts(site: Path) -> None:
    facts = site / "twoparts-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: twoparts\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[brainbench]\ntwo = part_one\n")
    (facts / "RECORD").write_text("part_one.py,,\npart_two/__init__.py,,\npart_two/net.py,,\n")
    (site / "part_two").mkdir()
    for name in ("part_one.py", "part_two/__init__.py", "part_two/net.py"):
        (site / name).write_text("1")
    card, plugin = BackboneCard(name="x", loader=lazy("part_one:load")), Plugin("two", "twoparts", "1.0")
    found = set()
    for name in ("part_one.py", "part_two/net.py", "part_two/net.py"):
        found.add(keys.code_digest(card, plugin))
        (site / name).write_text((site / name).read_text() + "2")
        _new_process()
    assert len(found) == 3


def test_the_code_that_plugins_build_on_counts_for_their_kind_alone(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = keys.file_sha256
    before = [keys.code_digest(make(lazy("nowhere:load")), PLUGIN) for make in CARDS]
    monkeypatch.setattr(keys, "file_sha256", lambda path: "edited" if "fitting" in Path(path).parts else read(path))
    _new_process()
    after = [keys.code_digest(make(lazy("nowhere:load")), PLUGIN) for make in CARDS]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, False, True]


def test_a_file_is_read_again_when_another_with_its_size_and_time_takes_its_place(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    os.utime(file, (1, 1))
    before = keys.file_digest(file)
    (tmp_path / "draft").write_bytes(b"two")
    os.utime(tmp_path / "draft", (1, 1))
    (tmp_path / "draft").replace(file)
    assert keys.file_digest(file) != before


def test_weights_are_told_apart_by_content(tmp_path: Path) -> None:
    one, two, same = (tmp_path / name for name in ("one", "two", "same"))
    for path, content in ((one, b"1"), (two, b"2"), (same, b"1")):
        path.write_bytes(content)
    card = toy.backbone(weights="v1")
    found = {path: keys.weights_facts(card, Weights("file", path)) for path in (one, two, same)}
    assert found[one] == found[same] != found[two]
    assert keys.weights_facts(card, Weights("release")) == {"release": "v1"}


def test_job_keys_tell_seeds_encoders_and_data_apart() -> None:
    made = {
        keys.job_key("f", None, {}, 0),
        keys.job_key("f", {"name": "e"}, {}, 0),
        keys.job_key("f", {"name": "e"}, {"split": "s"}, 0),
        keys.job_key("f", {"name": "e"}, {"split": "s"}, 1),
        keys.job_key("g", {"name": "e"}, {"split": "s"}, 1),
    }
    assert len(made) == 5


def test_a_request_is_of_the_same_pass_whatever_its_grid() -> None:
    stimuli = Stimuli(("a",), ("d",), lambda index: Image.new("RGB", (1, 1)))
    (pick,) = pick_backbones(
        "toy/net", toy.registry(), Assignments(()), simulated=True, weights=(), controls=False, device="cpu"
    )
    one, other = TokenRequest(pick, stimuli, "8").networks[0], TokenRequest(pick, stimuli, "native").networks[0]
    assert one.reading == other.reading
    assert one.key != other.key
    elsewhere = TokenRequest(pick, Stimuli(("a",), ("e",), stimuli.open), "8").networks[0]
    assert elsewhere.reading != one.reading
