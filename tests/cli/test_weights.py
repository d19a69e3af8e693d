from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file
from torch import nn

import brainbench.registry
from brainbench import Backbone, BackboneCard, ModuleBackbone, Weights, file_sha256, load_state, load_strict
from brainbench.cli import main
from brainbench.plugins import Plugin
from brainbench.registry import Registry

Shell = Callable[[str], tuple[int, str, str]]


def load(*, weights: Weights, settings: object) -> Backbone:
    network = nn.Sequential(nn.Conv2d(3, 2, 1))
    if weights.path:
        load_strict(network, load_state(weights.path), what=f"net/one ({weights.path})")
    return ModuleBackbone(network, ["0"], preprocess=lambda image: torch.zeros(3, 4, 4))


CARD = BackboneCard(
    name="net/one", loader=load, weights="v1", source="https://example.org/one.pth", licence="CC-BY-NC-4.0"
)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    def unreachable(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "urlopen", unreachable)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    cards = (CARD, BackboneCard(name="net/mini", loader=load))
    registry = Registry([Plugin("net", "net-dist", "1.0", {"backbones": cards})])
    monkeypatch.setattr(brainbench.registry, "installed", lambda: registry)
    monkeypatch.chdir(tmp_path)

    def go(line: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(shlex.split(line))
        assert isinstance(end.value.code, int)
        return end.value.code, *capsys.readouterr()

    return go


def cached(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "torch" / "hub" / "checkpoints" / "one.pth"
    path.parent.mkdir(parents=True)
    torch.save(content, path)
    return path


GOOD = {"0.weight": torch.ones(2, 3, 1, 1), "0.bias": torch.ones(2)}


@pytest.mark.parametrize("verb", ["fetch", "verify"])
def test_what_is_cached(shell: Shell, tmp_path: Path, verb: str) -> None:
    path = cached(tmp_path, GOOD)
    code, out, _ = shell(f"weights {verb} net/one --json")
    row = json.loads(out)[0]
    assert code == 0
    assert row == {
        "name": "net/one",
        "weights": "v1",
        "path": str(path),
        "mb": 0.0,
        "sha256": file_sha256(path),
        "licence": "CC-BY-NC-4.0",
        "problem": "",
    }


def test_fetching_without_a_network(shell: Shell) -> None:
    code, out, _ = shell("weights fetch net/one,net/mini")
    assert code == 1
    assert "could not be downloaded (no network)" in out
    assert "net/mini" not in out


def test_verifying_what_is_not_there(shell: Shell) -> None:
    code, out, _ = shell("weights verify net/*")
    assert code == 1
    assert "not cached; `brainbench weights fetch net/one` fetches it" in out
    assert "has no released weights" in out


def test_verifying_another_networks_weights(shell: Shell, tmp_path: Path) -> None:
    cached(tmp_path, {"0.weight": torch.ones(2, 3, 1, 1)})
    code, out, _ = shell("weights verify net/one")
    assert code == 1
    assert "missing: 0.bias" in out


def test_verifying_a_file(shell: Shell, tmp_path: Path) -> None:
    torch.save(GOOD, tmp_path / "mine.pth")
    code, out, _ = shell("weights verify net/one --weights net/one=mine.pth")
    assert code == 0
    assert f"file:{file_sha256(tmp_path / 'mine.pth')[:8]}" in out


def test_a_file_of_another_network_is_named_with_its_size_and_no_licence(shell: Shell, tmp_path: Path) -> None:
    torch.save({"0.weight": torch.ones(2, 3, 1, 1), "0.noise": torch.ones(500_000)}, tmp_path / "mine.pth")
    code, out, _ = shell("weights verify net/one --weights net/one=mine.pth --json")
    row = json.loads(out)[0]
    assert code == 1
    assert "unexpected: 0.noise" in row["problem"]
    assert row["weights"] == f"file:{file_sha256(tmp_path / 'mine.pth')[:8]}"
    assert (row["mb"], row["licence"]) == (2.0, "not known (a local file)")


def test_a_folder_that_a_name_leads_to_is_verified(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/weights").write_bytes(b"1")
    pattern = BackboneCard(
        name="own/<folder>",
        pattern="own/*",
        loader=load,
        expand=lambda name: BackboneCard(name=name, loader=load, weights="local:1234"),
    )
    registry = Registry([Plugin("own", "own-dist", "1.0", {"backbones": (pattern,)})])
    monkeypatch.setattr(brainbench.registry, "installed", lambda: registry)
    code, out, _ = shell(f"weights verify own/{tmp_path}/net --json")
    row = json.loads(out)[0]
    assert (code, row["problem"], row["path"], row["weights"]) == (0, "", f"{tmp_path}/net", "local:1234")


def test_a_folder_where_a_file_is_wanted(shell: Shell, tmp_path: Path) -> None:
    code, _, err = shell(f"weights verify net/one --weights net/one={tmp_path}")
    assert code == 2
    assert f"{tmp_path} is a folder; net/one takes one file, name it" in err


def test_nothing_to_fetch(shell: Shell) -> None:
    code, _, err = shell("weights fetch net/mini")
    assert code == 2
    assert "net/mini: no weights to fetch" in err


def test_converting(shell: Shell, tmp_path: Path) -> None:
    tied = torch.arange(6.0)
    torch.save({"model": {"a": tied, "b": tied.view(2, 3)}, "optimizer": {"lr": 1}}, tmp_path / "w.pth")
    code, out, _ = shell("weights convert w.pth w.safetensors")
    assert (code, out) == (0, "wrote w.safetensors: 2 tensors\n")
    found = load_file(tmp_path / "w.safetensors")
    assert torch.equal(found["a"], tied)
    assert torch.equal(found["b"], tied.view(2, 3))


def test_a_converted_file_has_the_mode_of_other_files(shell: Shell, tmp_path: Path) -> None:
    torch.save(GOOD, tmp_path / "w.pth")
    before = os.umask(0o027)
    try:
        shell("weights convert w.pth w.safetensors")
    finally:
        os.umask(before)
    assert (tmp_path / "w.safetensors").stat().st_mode & 0o777 == 0o640


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("owned",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("w.pth w.pth", "its name must end in .safetensors"),
        ("w.pth there.safetensors", "there.safetensors: exists already"),
        ("none.pth w.safetensors", "none.pth: cannot be opened"),
        ("hostile.pth w.safetensors", "hostile.pth: not a tensors-only torch file"),
        ("w.pth nowhere/w.safetensors", "nowhere"),
    ],
)
def test_what_cannot_be_converted(shell: Shell, tmp_path: Path, line: str, message: str) -> None:
    torch.save(GOOD, tmp_path / "w.pth")
    torch.save({"a": Hostile()}, tmp_path / "hostile.pth")
    (tmp_path / "there.safetensors").touch()
    before = sorted(tmp_path.iterdir())
    code, _, err = shell(f"weights convert {line}")
    assert code == 2
    assert message in err
    assert sorted(tmp_path.iterdir()) == before
