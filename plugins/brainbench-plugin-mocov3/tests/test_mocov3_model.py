from __future__ import annotations

import os
import random
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import yaml
from brainbench_mocov3 import model
from brainbench_mocov3.plugin import CARDS
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from brainbench import Backbone, BackboneCard, PluginError, Tokens, Weights, WeightsError

with warnings.catch_warnings():
    # mmcv tells which operators its light version has not.
    warnings.simplefilter("ignore")
    import mmpretrain
    from mmpretrain.models.selfsup.mocov3 import MoCoV3ViT
    from mmpretrain.registry import MODELS

pytestmark = pytest.mark.slow

NETWORKS = {card.name: card for card in CARDS}
MINI = NETWORKS["mocov3/mini"]
BASE = NETWORKS["mocov3/vit-b-16"]
SMALL = NETWORKS["mocov3/vit-s-16"]
SMALL_FB = NETWORKS["mocov3/vit-s-16-fb"]
LIBRARIES = ["mmpretrain", "timm"]
NECK = {"hid_channels": 32, "num_layers": 3, "with_last_bn_affine": False, "with_avg_pool": False}


def load(card: BackboneCard = MINI, path: Path | None = None, **settings: Any) -> Any:
    weights = Weights("file", path) if path else Weights("untrained")
    return card.loader(weights=weights, settings=card.resolve_settings(settings))


def images(count: int, size: int = 64) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def whole(architecture: str) -> Any:
    """OpenMMLab's MoCoV3 with both encoders, as it is trained, every parameter of the backbone drawn at random."""
    shape = model.ARCHITECTURES[architecture]
    arch = {
        "embed_dims": shape["embed_dim"],
        "num_layers": shape["depth"],
        "num_heads": shape["num_heads"],
        "feedforward_channels": 4 * shape["embed_dim"],
    }
    sizes = {"img_size": shape["img_size"], "patch_size": shape["patch_size"]}
    generator = torch.Generator().manual_seed(7)
    with torch.random.fork_rng(devices=[]):
        network = MODELS.build(
            {
                "type": "MoCoV3",
                "backbone": {"type": "MoCoV3ViT", "arch": arch, "stop_grad_conv1": True} | sizes,
                "neck": {"type": "NonLinearNeck", "in_channels": shape["embed_dim"], "out_channels": 16} | NECK,
                "head": {
                    "type": "MoCoV3Head",
                    "predictor": {"type": "NonLinearNeck", "in_channels": 16, "out_channels": 16} | NECK,
                    "loss": {"type": "CrossEntropyLoss"},
                },
                "data_preprocessor": {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]},
            }
        )
    with torch.no_grad():
        for name, parameter in network.backbone.named_parameters():
            spread = 1 if "pos" in name else 0.2 if parameter.ndim < 2 else parameter[0].numel() ** -0.5
            parameter.normal_(0, spread, generator=generator).add_("ln" in name and name.endswith("weight"))
    network.requires_grad_(False).eval()
    return network


def facebook(seed: int = 7) -> tuple[Any, dict[str, Any]]:
    """ViT-S in timm, and the whole state of a training as Facebook releases it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: Any = timm.create_model("vit_small_patch16_224", num_heads=12, num_classes=0).eval()
    network.requires_grad_(False)
    encoder = network.state_dict()
    for i in (0, 3, 6):
        encoder |= {f"head.{i}.weight": torch.ones(4, 4)}
    for i in (1, 4, 7):
        encoder |= {f"head.{i}.running_mean": torch.ones(4), f"head.{i}.num_batches_tracked": torch.tensor(5)}
    state = {f"module.base_encoder.{name}": value for name, value in encoder.items()}
    state |= {f"module.momentum_encoder.{name}": value * 2 for name, value in encoder.items()}
    state |= {"module.predictor.0.weight": torch.ones(4, 4), "module.predictor.1.running_var": torch.ones(4)}
    optimizer = {"state": {0: {"step": 9, "exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]}
    scaler = {
        "scale": 65536.0,
        "growth_factor": 2.0,
        "backoff_factor": 0.5,
        "growth_interval": 2000,
        "_growth_tracker": 3,
    }
    training = {"epoch": 300, "arch": "vit_small", "optimizer": optimizer, "scaler": scaler}
    return network, training | {"state_dict": state}


def sequences(tokens: Tokens) -> list[Tensor]:
    pairs = zip(tokens.local_tokens, tokens.global_tokens, strict=True)
    return [torch.cat([glob[:, None], local.flatten(2).transpose(1, 2)], dim=1) for local, glob in pairs]


def blocks(network: Any, batch: Tensor) -> list[dict[str, Tensor]]:
    """What goes into each block, into its second norm and out of it, [B, 1 + N, C] each."""
    seen: list[dict[str, Tensor]] = []
    handles = []
    for block in getattr(network, "blocks", None) or network.layers:
        record: dict[str, Tensor] = {}
        seen.append(record)
        handles += [
            block.register_forward_pre_hook(lambda _, inputs, r=record: r.update(start=inputs[0].clone())),
            block.norm2.register_forward_pre_hook(lambda _, inputs, r=record: r.update(attended=inputs[0].clone())),
            block.register_forward_hook(lambda _, inputs, output, r=record: r.update(end=output.clone())),
        ]
    with torch.no_grad():
        network(batch)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize(("card", "architecture"), [(SMALL, "small"), (MINI, "mini")])
def test_both_libraries_read_what_mmpretrain_returns(tmp_path: Path, card: BackboneCard, architecture: str) -> None:
    network, path = whole(architecture), tmp_path / "w.pth"
    torch.save({"meta": {"epoch": 300}, "state_dict": network.state_dict()}, path)
    size = card.input_size or 0
    batch = images(1 if size == 224 else 3, size)
    records = blocks(network.backbone, batch)
    # Read by mmpretrain itself: all blocks, class token and patches, the last without the final norm.
    network.backbone.out_type, network.backbone.out_indices = "raw", list(range(12))
    network.backbone.final_norm = False
    with torch.no_grad():
        expected = network.backbone(batch)
    for library in LIBRARIES:
        read = sequences(load(card, path, library=library).tokens(batch))
        assert len(read) == len(expected) == 12
        assert all(torch.equal(one, other) for one, other in zip(read, expected, strict=True)), library
    for library in LIBRARIES:
        attention = sequences(load(card, path, library=library, tap="attention").tokens(batch))
        for one, record in zip(attention, records, strict=True):
            assert torch.equal(record["start"] + one, record["attended"]), library


def test_no_final_norm(tmp_path: Path) -> None:
    network, path = whole("mini"), tmp_path / "w.pth"
    torch.save(network.state_dict(), path)
    batch = images(2)
    normed = network.backbone(batch)[-1]
    for library in LIBRARIES:
        last = load(path=path, library=library).tokens(batch).global_tokens[-1]
        assert not torch.allclose(last, normed, atol=0.1)
        torch.testing.assert_close(network.backbone.ln1(last), normed)


def test_small_has_twelve_heads(tmp_path: Path) -> None:
    network, path = whole("small"), tmp_path / "w.pth"
    torch.save(network.state_dict(), path)
    batch = images(1, 224)
    ours = load(SMALL, path, library="timm")
    assert [block.attn.num_heads for block in ours.module.blocks] == [12] * 12
    assert [block.attn.num_heads for block in load(SMALL, path).module.layers] == [12] * 12
    # timm's ViT-S takes the same weights, and is another network.
    six: Any = timm.create_model("vit_small_patch16_224", num_classes=0)
    six.load_state_dict(ours.module.state_dict(), strict=True)
    wrong = six.eval().forward_intermediates(batch, norm=False, intermediates_only=True)
    assert not torch.allclose(ours.tokens(batch).local_tokens[-1], wrong[-1], rtol=0.1, atol=0.1)


@pytest.mark.parametrize("tap", ["block", "attention"])
def test_facebook_s_training_state(tmp_path: Path, tap: str) -> None:
    network, training = facebook()
    path = tmp_path / "vit-s-300ep.pth.tar"
    torch.save(training, path)
    batch = images(1, 224)
    backbone = SMALL_FB.loader(weights=Weights("release", path), settings=SMALL_FB.resolve_settings({"tap": tap}))
    tokens = backbone.tokens(batch)
    if tap == "attention":
        for one, record in zip(sequences(tokens), blocks(network, batch), strict=True):
            assert torch.equal(record["start"] + one, record["attended"])
        return
    expected = network.forward_intermediates(batch, norm=False, intermediates_only=True, return_prefix_tokens=True)
    for local, glob, (patches, prefix) in zip(tokens.local_tokens, tokens.global_tokens, expected, strict=True):
        assert torch.equal(local, patches)
        assert torch.equal(glob, prefix[:, 0])
    # The same weights in mmpretrain, by the names they have there.
    back = {theirs: ours for ours, theirs in reversed(model.TIMM_NAMES.items())}
    renamed = {}
    for name, value in network.state_dict().items():
        key = f"backbone.{name}"
        for theirs, ours in back.items():
            key = key.replace(theirs, ours)
        renamed[key] = value
    torch.save(renamed, path)
    for one, other in zip(load(SMALL, path).tokens(batch).local_tokens, tokens.local_tokens, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("library", LIBRARIES)
def test_class_token_and_order_of_patches(library: str) -> None:
    backbone = load(library=library)
    batch = torch.zeros(2, 3, 64, 64)
    batch[1, :, 16:24, 40:48] = 3
    tokens = backbone.tokens(batch)
    change = (tokens.local_tokens[0][1] - tokens.local_tokens[0][0]).norm(dim=0)
    assert divmod(int(change.argmax()), 8) == (2, 5)
    # The class token has no picture of its own: it changes less than the patch that was marked.
    assert (tokens.global_tokens[0][1] - tokens.global_tokens[0][0]).norm() < 0.5 * change.max()


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_seed_draws_the_weights_and_nothing_else(library: str) -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # type: ignore[index]
    one, same, other = (load(init_seed=seed, library=library) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])  # type: ignore[index]
    batch = images(1)
    last = [sequences(backbone.tokens(batch))[-1] for backbone in (one, same, other)]
    assert torch.equal(last[0], last[1])
    assert not torch.allclose(last[0], last[2], atol=0.1)


def test_untrained_is_initialised_as_for_training() -> None:
    ours, timm_s = load(SMALL, init_seed=5).module, load(SMALL, init_seed=5, library="timm").module
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        theirs = MoCoV3ViT(arch="mocov3-small", img_size=224, patch_size=16)
        with model._quiet():
            theirs.init_weights()
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in ours.state_dict().items())
    # Sines, the same in both libraries; zero for the class token, which has no position.
    assert ours.pos_embed.std() > 0.5
    assert torch.equal(ours.pos_embed, timm_s.pos_embed)
    # Query, key and value are drawn as three matrices.
    bound = (6 / (384 + 384)) ** 0.5
    for weight in (ours.layers[0].attn.qkv.weight, timm_s.blocks[0].attn.qkv.weight):
        assert 0.99 * bound < weight.abs().max() <= bound


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_card_tells_the_truth(monkeypatch: pytest.MonkeyPatch, card: BackboneCard, library: str) -> None:
    # Nothing can be drawn on the device that holds no numbers.
    monkeypatch.setattr(MoCoV3ViT, "init_weights", lambda self: None)
    with torch.device("meta"):
        backbone = load(card, **({"library": library} if card.settings else {}))
    network = backbone.module
    assert isinstance(backbone, Backbone)
    assert backbone.layers == tuple(f"layer{i + 1}" for i in range(card.layers or 0))
    assert network.cls_token.shape == (1, 1, card.width)
    assert network.pos_embed.shape[1] == 1 + ((card.input_size or 0) // (card.patch or 1)) ** 2
    assert sum(p.numel() for p in network.parameters()) == card.parameters
    # mmpretrain's eval() returns None, so that a chained call would have lost the network.
    assert isinstance(network, torch.nn.Module)
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    assert backbone.preprocess(Image.new("RGB", (9, 5))).shape == (3, card.input_size, card.input_size)


@pytest.mark.parametrize("card", [card for card in CARDS if card.weights.startswith("openmmlab")], ids=lambda c: c.name)
def test_release_is_the_one_mmpretrain_names(monkeypatch: pytest.MonkeyPatch, card: BackboneCard) -> None:
    metafile = Path(mmpretrain.__file__).parent / ".mim/configs/mocov3/metafile.yml"
    models = {entry["Name"]: entry["Weights"] for entry in yaml.safe_load(metafile.read_text())["Models"]}
    name = str(card.source).split("/")[-2]
    assert models[name] == card.source
    monkeypatch.setattr(MoCoV3ViT, "init_weights", lambda self: None)
    with torch.device("meta"):
        theirs = mmpretrain.get_model(name, pretrained=False).backbone
        ours = load(card).module
    shapes = [{key: value.shape for key, value in network.state_dict().items()} for network in (ours, theirs)]
    assert shapes[0] == shapes[1]
    for one, other in zip(ours.layers, theirs.layers, strict=True):
        assert one.attn.num_heads == other.attn.num_heads
        assert one.ln1.eps == other.ln1.eps == 1e-6


@pytest.mark.parametrize("preproc", ["paper", "native"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_preproc(preproc: str, library: str) -> None:
    # Values of 0 to 1 before the statistics, not of 0 to 255 as mmpretrain's data_preprocessor takes them.
    red = load(preproc=preproc, library=library).preprocess(Image.new("RGB", (90, 40), (255, 0, 0)))
    torch.testing.assert_close(red[:, 5, 60], torch.tensor([2.24891, -2.03571, -1.80444]))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", ["release", "safetensors", "statistics kept"])
def test_a_file_in_openmmlab_s_layout(tmp_path: Path, kind: str, library: str) -> None:
    network, path = whole("mini"), tmp_path / "w"
    state = dict(network.state_dict())
    assert {name.split(".")[0] for name in state} == {"backbone", "head", "momentum_encoder", "neck"}
    if kind == "safetensors":
        save_file({name: value.clone() for name, value in state.items()}, path)
    elif kind == "statistics kept":
        torch.save(state | {"data_preprocessor.mean": torch.ones(3), "data_preprocessor.std": torch.ones(3)}, path)
    else:
        torch.save({"meta": {"epoch": 300, "mmengine_version": "0.1.0"}, "state_dict": state}, path)
    batch = images(2)
    read = MINI.loader(weights=Weights("release", path), settings=MINI.resolve_settings({"library": library}))
    for one, record in zip(sequences(read.tokens(batch)), blocks(network.backbone, batch), strict=True):
        assert torch.equal(one, record["end"])


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s.pop("backbone.layers.3.ln1.bias"),
            r"missing: backbone\.(layers|blocks)\.3\.(ln|norm)1\.bias; give",
        ),
        (lambda s: s.pop("backbone.ln1.bias"), r"missing: backbone\.(ln1|norm)\.bias; give"),
        (lambda s: s.update({"backbone.x": torch.ones(1)}), r"unexpected: backbone\.x; give the file"),
        (lambda s: s.update({"fc.bias": torch.ones(1)}), r"unexpected: fc\.bias; give the file"),
        (lambda s: s["backbone.cls_token"].fill_(torch.nan), r"hold NaN in backbone\.cls_token; download"),
    ],
    ids=["missing", "missing norm", "extra", "a head", "NaN"],
)
def test_a_file_that_does_not_fit(tmp_path: Path, change: Any, message: str, library: str) -> None:
    state = dict(whole("mini").state_dict())
    change(state)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=rf"the weights .*mocov3/mini \(.*w\.pth\).* {message}") as caught:
        load(path=tmp_path / "w.pth", library=library)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_file_of_another_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, library: str) -> None:
    monkeypatch.setitem(model.ARCHITECTURES, "other", model.ARCHITECTURES["mini"] | {"embed_dim": 48, "depth": 13})
    torch.save(whole("other").state_dict(), tmp_path / "w.pth")
    with pytest.raises(
        WeightsError,
        match=r"do not fit mocov3/mini \(.*w\.pth\); unexpected: backbone\.(layers|blocks)\.12\..* wrong shape:"
        r" backbone\.cls_token is 1x1x48, not 1x1x96",
    ) as caught:
        load(path=tmp_path / "w.pth", library=library)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("library", LIBRARIES)
def test_positions_of_another_size_are_not_resized(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, library: str
) -> None:
    # mmpretrain would, while it loads.
    monkeypatch.setitem(model.ARCHITECTURES, "other", model.ARCHITECTURES["mini"] | {"img_size": 96})
    torch.save(whole("other").state_dict(), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"wrong shape: backbone\.pos_embed is 1x145x96, not 1x65x96; give the file"):
        load(path=tmp_path / "w.pth", library=library)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("module.base_encoder.norm.bias"), r"missing: module\.base_encoder\.norm\.bias; give the file"),
        (lambda s: s.update({"module.x": torch.ones(1)}), r"unexpected: module\.x; give the file"),
        (lambda s: s["module.base_encoder.cls_token"].fill_(torch.nan), r"NaN in module\.base_encoder\.cls_token; do"),
    ],
    ids=["missing", "extra", "NaN"],
)
def test_a_file_of_facebook_s_that_does_not_fit(tmp_path: Path, change: Any, message: str) -> None:
    _, training = facebook()
    change(training["state_dict"])
    torch.save(training, tmp_path / "w.pth.tar")
    with pytest.raises(WeightsError, match=rf"the weights .*mocov3/vit-s-16-fb \(.*\.tar\).* {message}"):
        load(SMALL_FB, tmp_path / "w.pth.tar")


def test_one_s_file_is_not_the_other_s(tmp_path: Path) -> None:
    torch.save(whole("mini").state_dict(), tmp_path / "openmmlab.pth")
    with pytest.raises(
        WeightsError, match=r"missing: module\.base_encoder\.cls_token.*; unexpected: backbone\.cls_tok"
    ):
        load(SMALL_FB, tmp_path / "openmmlab.pth")
    torch.save(facebook()[1], tmp_path / "facebook.pth.tar")
    for library in LIBRARIES:
        with pytest.raises(WeightsError, match=r"missing: backbone\.cls_token.*; unexpected: module\.base_encoder\."):
            load(SMALL, tmp_path / "facebook.pth.tar", library=library)


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize(
    ("card", "library"), [(MINI, {"library": "mmpretrain"}), (MINI, {"library": "timm"}), (SMALL_FB, {})]
)
def test_a_hostile_file_runs_nothing(tmp_path: Path, card: BackboneCard, library: dict[str, str]) -> None:
    torch.save({"meta": Hostile(tmp_path / "owned"), "state_dict": whole("mini").state_dict()}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"w\.pth: not a tensors-only torch file"):
        load(card, tmp_path / "w.pth", **library)
    assert not (tmp_path / "owned").exists()


def test_without_mmpretrain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mmpretrain.models.selfsup.mocov3", None)
    with pytest.raises(
        PluginError,
        match=r"^mocov3/mini: mmpretrain cannot be imported \(.*mmpretrain\.models.*\); `pip install 'mmpretrain>=1\.2'"
        r" 'mmcv-lite>=2\.1,<2\.4' 'mmengine>=0\.10,<1'`, or .*: --set mocov3\.library=timm$",
    ) as caught:
        load()
    assert "\n" not in str(caught.value)
    batch = images(1)
    assert len(load(library="timm").tokens(batch).local_tokens) == 12
    assert load(SMALL_FB).module.cls_token.shape == (1, 1, 384)


QUIET = """
from brainbench import Weights
from brainbench_mocov3.plugin import CARDS
card = CARDS[-1]
card.loader(weights=Weights("untrained"), settings=card.resolve_settings({}))
"""


def test_nothing_is_said_where_nothing_is_wrong() -> None:
    done = subprocess.run([sys.executable, "-c", QUIET], check=True, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""
