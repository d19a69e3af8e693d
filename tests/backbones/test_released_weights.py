from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import toy
from huggingface_hub import constants

from brainbench import BackboneCard, Weights, WeightsError
from brainbench.backbones import released_weights as releases

URL = toy.backbone("net/url", weights="v1")
URL = replace(URL, source="https://example.org/nets/net-1.pth", sha256=hashlib.sha256(b"released").hexdigest()[:8])
HUB = replace(toy.backbone("net/hub", weights="v1"), source="someone/net", files=("model.safetensors", "model.bin"))
FOLDER = replace(HUB, name="net/folder", files=("unet/*.json", "unet/*.safetensors"), snapshot=True)


@pytest.fixture(autouse=True)
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: object, **kwargs: object) -> None:
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "urlopen", unreachable)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def hub_snapshot(tmp_path: Path) -> Path:
    repository = tmp_path / "hub" / "models--someone--net"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    return snapshot


def release(card: BackboneCard) -> Path | None:
    return releases.obtained(card, Weights("release")).path


def test_torchs_cache(checkpoints: Path) -> None:
    assert str(checkpoints) == f"{torch.hub.get_dir()}/checkpoints"
    (checkpoints / "net-1.pth").write_bytes(b"released")
    assert release(URL) == checkpoints / "net-1.pth"


def test_a_damaged_file(checkpoints: Path) -> None:
    (checkpoints / "net-1.pth").write_bytes(b"half")
    message = rf"net-1\.pth is damaged or a different file: .* not begin with {URL.sha256}; delete it, .*fetch net/url"
    with pytest.raises(WeightsError, match=message):
        release(URL)


@pytest.mark.parametrize("file", HUB.files)
def test_the_hubs_cache_the_safe_format_first(tmp_path: Path, file: str) -> None:
    snapshot = hub_snapshot(tmp_path)
    (snapshot / "model.bin").touch()
    (snapshot / file).touch()
    assert release(HUB) == snapshot / file


def test_a_snapshot_is_there_when_all_its_parts_are(tmp_path: Path) -> None:
    snapshot = hub_snapshot(tmp_path)
    (snapshot / "unet").mkdir()
    (snapshot / "unet" / "config.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"net/folder: .*--weights net/folder=FOLDER"):
        release(FOLDER)
    (snapshot / "unet" / "weights.safetensors").touch()
    assert release(FOLDER) == snapshot


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (URL, r"net/url: the weights \(.*checkpoints/net-1.pth\) are missing .*no network.*put https.* there with"),
        (
            HUB,
            r"net/hub: the weights \(huggingface.co/someone/net in .*hub\) are missing .*run `brainbench weights fetch net/hub`",
        ),
    ],
    ids=["url", "hub"],
)
def test_what_cannot_be_had_says_what_would_serve(card: BackboneCard, message: str) -> None:
    with pytest.raises(
        WeightsError, match=message + rf".*--weights {card.name}=FILE, or ask for {card.name}@untrained"
    ) as one:
        release(card)
    assert "\n" not in str(one.value)


@pytest.mark.parametrize("kind", ["untrained", "file"])
def test_nothing_is_fetched_that_was_not_asked_for(kind: str) -> None:
    weights = Weights(kind)  # type: ignore[arg-type]
    assert releases.obtained(URL, weights) is weights


def test_a_plugin_may_see_to_its_release_itself() -> None:
    own = replace(HUB, files=())
    assert releases.obtained(own, Weights("release")) == Weights("release")
