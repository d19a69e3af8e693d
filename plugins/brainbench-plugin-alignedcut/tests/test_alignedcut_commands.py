"""From records to data files and pictures, as on the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from brainbench_alignedcut import Concepts, Embedding
from brainbench_alignedcut.__main__ import main
from brainbench_alignedcut.drawing import draw_embedding, draw_trajectories
from brainbench_alignedcut.fits import Fit, find
from brainbench_alignedcut.views import Channels
from PIL import Image

import brainbench

COUNT = 2


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fits of a few steps to 100 images of the demo, with the cache they were made with."""
    folder = tmp_path_factory.mktemp("commands")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_CACHE", str(folder / "cache"))
        for encoder, backbone in (("alignedcut", "pixels+random"), ("factortopy", "pixels")):
            brainbench.run(
                backbone,
                encoder,
                metrics="r2",
                subjects="1",
                set={"demo.images": 100, f"{encoder}.steps": 3}
                | ({"alignedcut.grid": 4} if encoder == "alignedcut" else {}),
                no_controls=True,
                results=folder / "results",
                leaderboards=folder / "boards",
            )
    return folder / "results"


@pytest.fixture(autouse=True)
def at_home(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAINBENCH_CACHE", str(results.parent / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def fit(results: Path) -> Fit:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_CACHE", str(results.parent / "cache"))
        return find(results, "pixels+random", encoder="alignedcut")


@pytest.mark.slow
def test_activation_sums_up_to_the_prediction(results: Path, fit: Fit) -> None:
    record = next(path for path in results.glob("*.json") if "alignedcut" in path.read_text())
    opened = brainbench.reopen(record)
    from brainbench_alignedcut import restore

    stored = restore(opened.parameters, opened.features)
    rows, aligned = np.arange(4), fit.align(fit.features)
    tokens = [
        np.concatenate(
            [
                aligned.local_tokens(i, rows).reshape(4, aligned.channels[i], -1),
                aligned.global_tokens(i, rows)[..., None],
            ],
            axis=2,
        )
        for i in range(len(aligned.layers))
    ]
    activation = [np.einsum("ndp,vd->npv", one.astype(float), fit.channel.astype(float)) for one in tokens]
    parameters = stored.parameters()
    standard = np.mean([one.mean(axis=1) for one in activation], axis=0) + parameters["model.regression.bias"].numpy()
    predicted = standard * parameters["responses.sd"].numpy() + parameters["responses.mean"].numpy()
    np.testing.assert_allclose(predicted, stored.predict(opened.features, rows), rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_fit_becomes_data_and_pictures(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["embed", "pixels+random", "--results", str(results), "--images", str(COUNT), "--sample", "200"]
    assert main(asked) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"wrote embedding-pixels+random{ending}" for ending in (".npz", ".png", "-trajectories.png")
    ]
    made = Embedding.load(Path("embedding-pixels+random.npz"))
    assert set(made.backbones) == {"pixels", "random"}
    assert made.simulated
    assert len(made.images) == COUNT
    assert made.rois[-1] == "all"
    assert set(np.unique(made.ground)) == {0, 1}
    assert main(["concepts", "embedding-pixels+random.npz", "--layer", "random:layer2", "--count", "3"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"wrote concepts-pixels+random{ending}" for ending in (".npz", ".png", "-grounds.png", "-transitions.png")
    ]
    found = Concepts.load(Path("concepts-pixels+random.npz"))
    assert found.centres.shape == (len(made.layers), 3)
    assert all(
        Path(f"{stem}.png").stat().st_size > 1000 for stem in ("embedding-pixels+random", "concepts-pixels+random")
    )


@pytest.mark.slow
def test_channels_are_shown_on_any_images(results: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 3), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(tmp_path / "mine" / f"{number}.png")
    asked = ["channels", "pixels", "--encoder", "factortopy", "--results", str(results)]
    assert main([*asked, "--pictures", "mine", "--out", "new/mine.npz"]) == 0
    made = Channels.load(Path("new/mine.npz"))
    assert made.images == ("0.png", "1.png")
    assert made.maps.shape[:2] == (len(made.rois), 2)
    assert len(made.clusters) > 100
    assert Path("new/mine.png").is_file()
    assert main([*asked, "--images", "2"]) == 0
    assert Path("channels-pixels.png").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["embed", "clip/none"], "NAME clip/none: not in"),
        (["embed", "pixels+random", "--images", "0"], "--images 0: at least 1"),
        (["embed", "pixels+random", "--out", "x.png"], "--out x.png: the data file ends in .npz"),
        (["channels", "pixels", "--encoder", "factortopy", "--pictures", "nowhere"], "nowhere is not a folder"),
        (["embed", "pixels", "--encoder", "alignedcut"], "--encoder alignedcut: not in"),
    ],
)
def test_what_cannot_be_is_one_line(
    results: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--results", str(results)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert message in said[0]


def test_concepts_want_a_file_and_a_layer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["concepts", "none.npz"]) == 2
    assert "no readable embedding file" in capsys.readouterr().err
    assert main(["concepts"]) == 2
    assert "Missing argument" in capsys.readouterr().err


def test_pictures_do_without_masks_and_with_one_layer() -> None:
    rng = np.random.default_rng(0)
    one = Embedding(
        "toy", True, ("conv",), ("net",), np.array([(3, 3)]), ("a",), rng.integers(0, 256, (1, 8, 8, 3), np.uint8),
        rng.normal(size=(9, 4)), np.ones(4), rng.integers(0, 256, (9, 3), np.uint8), rng.normal(size=(9, 2)),
        np.full(9, -1, np.int8), ("all",), rng.normal(size=(9, 1)),
    )  # fmt: skip
    assert draw_embedding(one).axes
    assert draw_trajectories(one).axes[0].get_title() == "image centre (1)"
    masked = replace(one, ground=np.array([1] * 4 + [0] * 5, np.int8))
    titles = [axes.get_title() for axes in draw_trajectories(masked).axes]
    assert titles[:2] == ["foreground (1)", "background (1)"]
