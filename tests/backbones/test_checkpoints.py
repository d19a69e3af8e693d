from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from brainbench import WeightsError, file_sha256, load_state, load_strict
from brainbench.backbones.checkpoints import state_sha256


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {"weight": torch.randn(2, 3, generator=generator), "bias": torch.randn(2, generator=generator)}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "no-suffix"])
def test_safetensors_is_told_by_content(tmp_path: Path, state: dict[str, torch.Tensor], name: str) -> None:
    save_file(state, tmp_path / name)
    assert same(load_state(tmp_path / name), state)


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files(tmp_path: Path, state: dict[str, torch.Tensor], zipped: bool) -> None:
    torch.save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    assert same(load_state(str(tmp_path / "w.pth")), state)


@pytest.mark.parametrize("entry", ["state_dict", "model"])
def test_training_checkpoints_are_opened(tmp_path: Path, state: dict[str, torch.Tensor], entry: str) -> None:
    torch.save({"epoch": 3, entry: state, "optimizer": {"lr": 0.1}}, tmp_path / "w.pth.tar")
    assert same(load_state(tmp_path / "w.pth.tar"), state)


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("name", ["w.pth", "w.bin", "w.safetensors"])
@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle"])
def test_hostile_pickles_run_nothing(tmp_path: Path, name: str, kind: str) -> None:
    target = tmp_path / "owned"
    path = tmp_path / name
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"weight": Hostile(target)}))
    else:
        torch.save({"weight": Hostile(target)}, path, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(WeightsError, match=rf"{name}: not a tensors-only torch file .*save_file$") as caught:
        load_state(path)
    assert "\n" not in str(caught.value)
    assert not target.exists()


def test_the_hostile_pickle_is_hostile(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Hostile(tmp_path / "owned")))
    assert (tmp_path / "owned").exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_torchscript_is_refused(tmp_path: Path) -> None:
    torch.jit.script(nn.Linear(2, 2)).save(tmp_path / "w.pt")  # type: ignore[no-untyped-call]
    with pytest.raises(WeightsError, match=r"w\.pt: not a tensors-only torch file"):
        load_state(tmp_path / "w.pt")


@pytest.mark.parametrize("keep", [0, 5, 60, 0.5, -1])
@pytest.mark.parametrize("kind", ["torch", "safetensors"])
def test_truncated_files(tmp_path: Path, state: dict[str, torch.Tensor], kind: str, keep: float) -> None:
    path = tmp_path / "w.bin"
    if kind == "torch":
        torch.save(state, path)
    else:
        save_file(state, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep == 0.5 else int(keep)])
    with pytest.raises(
        WeightsError, match=r"w\.bin: not a (safetensors|tensors-only torch) file .*download it again"
    ) as e:
        load_state(path)
    assert "\n" not in str(e.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nowhere\.pth: cannot be opened \(No such file"):
        load_state(tmp_path / "nowhere.pth")
    with pytest.raises(WeightsError, match=r"cannot be opened \(Is a directory\)"):
        load_state(tmp_path)


def test_what_is_no_state_dict(tmp_path: Path) -> None:
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match=r"list\.pth: holds list, expected a state dict"):
        load_state(tmp_path / "list.pth")
    torch.save({"weight": torch.zeros(2), "epoch": 3}, tmp_path / "mixed.pth")
    with pytest.raises(WeightsError, match=r"mixed\.pth: .* not tensors: epoch"):
        load_state(tmp_path / "mixed.pth")


def test_load_strict_fills_the_module(state: dict[str, torch.Tensor]) -> None:
    module = nn.Linear(3, 2)
    extra = {"head.weight": torch.zeros(1), "scale": torch.zeros(1)}
    load_strict(module, state | extra, drop=["head.", "scale"])
    assert same(dict(module.state_dict()), state)


def test_drop_is_explicit(state: dict[str, torch.Tensor]) -> None:
    extra = {f"head.{i}": torch.zeros(1) for i in range(5)}
    with pytest.raises(
        WeightsError, match=r"do not fit my/net; unexpected: head\.0, head\.1, head\.2 and 2 more; give the file"
    ):
        load_strict(nn.Linear(3, 2), state | extra, drop=["head"], what="my/net")


def test_missing_and_wrong_shape_are_named(state: dict[str, torch.Tensor]) -> None:
    with pytest.raises(WeightsError, match=r"fit Linear; missing: bias; wrong shape: weight is 2x3, not 2x4;"):
        load_strict(nn.Linear(4, 2), {"weight": state["weight"]})


class Renaming(nn.Linear):
    """Like a library's module that still reads the names of an older release."""

    def _load_from_state_dict(self, state_dict, prefix, *rest):  # type: ignore[no-untyped-def]
        if prefix + "old" in state_dict:
            state_dict[prefix + "weight"] = state_dict.pop(prefix + "old")
        super()._load_from_state_dict(state_dict, prefix, *rest)


def test_modules_may_rename_keys(state: dict[str, torch.Tensor]) -> None:
    old = {"old": state["weight"], "bias": state["bias"]}
    module = Renaming(3, 2)
    load_strict(module, old)
    assert torch.equal(module.weight, state["weight"])
    with pytest.raises(WeightsError, match=r"do not fit Renaming; wrong shape: size mismatch for weight"):
        load_strict(Renaming(4, 2), old)


def test_nan_is_refused(state: dict[str, torch.Tensor]) -> None:
    state["bias"][1] = float("nan")
    with pytest.raises(WeightsError, match="weights for Linear hold NaN in bias"):
        load_strict(nn.Linear(3, 2), state)


def test_file_sha256(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"brain" * 1000)
    assert file_sha256(tmp_path / "f") == hashlib.sha256(b"brain" * 1000).hexdigest()


def test_state_sha256_follows_the_content() -> None:
    def module() -> nn.Module:
        torch_module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).requires_grad_(False)
        for value in torch_module.state_dict().values():
            value.fill_(1)
        return torch_module

    base = state_sha256(module())
    assert state_sha256(module()) == base
    changed = module()
    changed.state_dict()["0.weight"][0, 0] = 1 + 1e-6
    assert state_sha256(changed) != base
    assert state_sha256(module().double()) != base
    assert state_sha256(module().bfloat16()) != base
    assert state_sha256(nn.Sequential(module())) != base
    swapped = nn.Linear(3, 1, bias=False), nn.Linear(1, 3, bias=False)
    for linear in swapped:
        nn.init.ones_(linear.weight)
    assert state_sha256(swapped[0]) != state_sha256(swapped[1])


def test_state_sha256_ignores_the_order_of_registration() -> None:
    one, two = nn.Module(), nn.Module()
    for module, names in ((one, "ab"), (two, "ba")):
        for name in names:
            module.register_buffer(name, torch.full((2,), float(ord(name))))
    assert state_sha256(one) == state_sha256(two)
