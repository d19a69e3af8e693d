"""What people hand to ``run``: numbers of numpy, paths, None, networks in training, pictures that spoil a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import toy
from folders import write_images
from PIL import Image
from torch import Tensor, nn

from brainbench import BackboneCard, UsageError, features, from_module, run
from brainbench.api.arguments import assignment_texts, weight_texts
from brainbench.api.run import _joined
from brainbench.leaderboard.text_tables import markdown
from brainbench.planning.picks import pick_subjects
from brainbench.planning.request import Request
from brainbench.registry import split_names


@pytest.mark.parametrize(
    ("given", "text"),
    [(np.int64(1), "1"), (1, "1"), ("a,b", "a,b"), (np.array([1, 2]), "1,2"), (range(3), "0,1,2"), (("a", "b"), "a,b")],
)
def test_names_of_any_kind(given: object, text: str) -> None:
    assert _joined(given) == text  # type: ignore[arg-type]


def test_weights_and_settings_of_any_kind() -> None:
    assert weight_texts(Path("x.pth")) == ("x.pth",)
    assert assignment_texts(None) == ()
    for given in (np.array([10, 20]), [10, 20], (10, 20), range(10, 30, 10)):
        assert assignment_texts({"folder.train_images": given}) == ("folder.train_images=10,20",)


def test_a_bar_in_a_name_stays_in_its_cell() -> None:
    import pandas as pd

    head, rule, row = markdown(pd.DataFrame({"backbone": ["a|b"], "V1|V2": ["0.1"]})).splitlines()
    assert {line.replace("\\|", "").count("|") for line in (head, rule, row)} == {3}


def test_a_subject_may_have_a_comma_in_its_name() -> None:
    class Data:
        subjects = ("sub,x", "y")

    assert pick_subjects(Request(subjects="sub,x"), Data()) == ["sub,x"]  # type: ignore[arg-type]
    assert pick_subjects(Request(subjects="y,y"), Data()) == ["y"]  # type: ignore[arg-type]


@pytest.mark.parametrize("sign", [",", "+"])
def test_paths_are_not_split(tmp_path: Path, sign: str) -> None:
    folder = tmp_path / f"a{sign}b{sign}c"
    folder.mkdir()
    name = f"hf/{folder}@untrained"
    assert split_names(f"pixels{sign}{name}{sign}random", sign) == ["pixels", name, "random"]
    assert split_names(f"a{sign}b", sign) == ["a", "b"]


def scaled(image: Image.Image) -> Tensor:
    pixels = np.asarray(image.resize((16, 16)), np.float32)
    return torch.from_numpy((pixels - pixels.mean()) / (pixels.std() or np.nan)).permute(2, 0, 1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_images(tmp_path / "data" / "images", 30)
    np.save(tmp_path / "data/responses.npy", np.random.default_rng(0).normal(size=(30, 4)))
    return tmp_path / "data"


def scored(root: Path, card: BackboneCard) -> str | None:
    table = run(card, "ridge", "folder", data=root, subjects=np.int64(1), no_controls=True, device="cpu",  # type: ignore[arg-type]
                results=root.parent / "results", leaderboards=root.parent / "boards")  # fmt: skip
    error = table[table.encoder.notna()].iloc[0].error
    return None if error is None else str(error)


@pytest.mark.parametrize("name", ["all", "*", "my[1]"])
def test_a_name_that_selects_others_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"that selects other backbones; give the network a name of its own"):
        from_module(nn.Sequential(nn.Conv2d(3, 4, 3)), ["0"], scaled, name=name)


def test_a_network_is_left_as_it_was(root: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(0.5), nn.BatchNorm2d(4)).train()
    net[2].eval()
    assert scored(root, from_module(net, ["0", "2"], scaled)) is None
    assert [module.training for module in net.modules()] == [True, True, True, False]


def test_the_picture_that_spoils_the_tokens_is_named(root: Path) -> None:
    Image.new("RGB", (6, 5)).save(root / "images/017.png")
    error = scored(root, from_module(nn.Sequential(nn.Conv2d(3, 4, 3)), ["0"], scaled))
    assert error is not None
    assert "layer 0 hold NaN or infinite values for image 017.png" in error


def test_features_of_a_network_in_memory(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4))
    stimuli = toy.ToyData().stimuli("1")
    found = features(from_module(net, ["0"], scaled, name="mine"), stimuli, device="cpu", cache=tmp_path)
    expected = net(torch.stack([scaled(stimuli.open(row)) for row in range(len(stimuli))])).detach()
    np.testing.assert_allclose(found.global_tokens(0), expected.mean((2, 3)), atol=2e-3)
