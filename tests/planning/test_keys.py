from __future__ import annotations

import sys
from pathlib import Path

import pytest
import toy
from PIL import Image

from brainbench import lazy
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


def test_an_edited_loader_gives_another_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "edited_loader.py"
    module.write_text("def load(): return 1")
    card = toy.BackboneCard(name="x", loader=lazy("edited_loader:load"))
    before = keys.card_facts(card, PLUGIN, {})
    module.write_text("def load(): return 22")
    assert keys.card_facts(card, PLUGIN, {}) != before
    assert "edited_loader" not in sys.modules


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
