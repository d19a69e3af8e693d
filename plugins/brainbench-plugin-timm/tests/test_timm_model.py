from __future__ import annotations

import os
import random
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from brainbench_timm import model, names
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from brainbench import Backbone, BackboneCard, Tokens, UsageError, Weights, WeightsError

pytestmark = pytest.mark.slow

VIT = "vit_tiny_patch16_224"


@cache
def card(variant: str = VIT) -> BackboneCard:
    return names.card(name=f"timm/{variant}")


def load(variant: str = VIT, path: Path | None = None, **settings: Any) -> Any:
    made = card(variant)
    weights = Weights("file", path) if path else Weights("untrained")
    return made.loader(weights=weights, settings=made.resolve_settings(settings))


def images(count: int, size: int = 224) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def hooked(network: Any, paths: list[str], batch: Tensor) -> dict[str, Tensor]:
    """Outputs of submodules, and the inputs of those whose path ends in ``<``."""
    seen: dict[str, Tensor] = {}
    handles = []
    for path in paths:
        module = network.get_submodule(path.removesuffix("<"))
        if path.endswith("<"):
            handles.append(module.register_forward_pre_hook(lambda _, x, p=path: seen.update({p: x[0].clone()})))
        else:
            handles.append(module.register_forward_hook(lambda _, x, y, p=path: seen.update({p: y.clone()})))
    with torch.no_grad():
        network(batch)
    for handle in handles:
        handle.remove()
    return seen


def patches(tokens: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, H*W, C]."""
    return tokens.flatten(2).transpose(1, 2)


# name, prefix tokens, whether the first of them is a class token
TRANSFORMERS = [
    ("vit_tiny_patch16_224", 1, True),
    ("deit3_small_patch16_224", 1, True),
    ("deit_tiny_distilled_patch16_224", 2, True),
    ("vit_small_patch14_reg4_dinov2", 5, True),
    ("eva02_tiny_patch14_224", 1, True),
    ("vit_wee_patch16_reg1_gap_256", 1, False),
    ("vit_relpos_small_patch16_224", 0, False),
]


@pytest.mark.parametrize(("variant", "prefix", "has_class"), TRANSFORMERS)
def test_blocks_and_attention_of_transformers(variant: str, prefix: int, has_class: bool) -> None:
    backbone, tapped = load(variant), load(variant, tap="attention")
    batch, depth = images(1, card(variant).input_size or 0), card(variant).layers or 0
    paths = [f"blocks.{i}{part}" for i in range(depth) for part in ("", "<", ".norm2<")]
    seen = hooked(backbone.module, paths, batch)
    read, added = backbone.tokens(batch), tapped.tokens(batch)
    for i in range(depth):
        output = seen[f"blocks.{i}"]
        assert torch.equal(patches(read.local_tokens[i]), output[:, prefix:])
        expected = output[:, 0] if has_class else output[:, prefix:].mean(1)
        torch.testing.assert_close(read.global_tokens[i], expected, atol=1e-5, rtol=1e-5)
        start, attended = seen[f"blocks.{i}<"], seen[f"blocks.{i}.norm2<"]
        assert torch.equal(start[:, prefix:] + patches(added.local_tokens[i]), attended[:, prefix:])
        if has_class:
            assert torch.equal(start[:, 0] + added.global_tokens[i], attended[:, 0])


CONVOLUTIONAL = [
    ("resnet18", ["act1", "layer1", "layer2", "layer3", "layer4"]),
    ("convnext_atto", [f"stages.{i}" for i in range(4)]),
    ("mobilenetv3_small_050", ["bn1", "blocks.0", "blocks.1", "blocks.3", "blocks.5"]),
    ("efficientnet_b0", ["blocks.0", "blocks.1", "blocks.2", "blocks.4", "blocks.6"]),
    ("regnety_002", ["stem", "s1", "s2", "s3", "s4"]),
    pytest.param(
        "vgg11",
        None,
        marks=pytest.mark.skipif(
            not hasattr(timm.models.VGG, "forward_intermediates"), reason="timm's VGG does not give its layers yet"
        ),
    ),
]


BLOCKS = [
    ("tf_efficientnet_lite0", [f"blocks.{i}.{j}" for i, n in enumerate((1, 2, 2, 3, 3, 4, 1)) for j in range(n)]),
    ("resnet18", [f"layer{i}.{j}" for i in (1, 2, 3, 4) for j in (0, 1)]),
    ("convnext_atto", [f"stages.{i}.blocks.{j}" for i, n in enumerate((2, 2, 6, 2)) for j in range(n)]),
    ("regnety_002", [f"s{i}.b{j}" for i, n in ((1, 1), (2, 1), (3, 4), (4, 7)) for j in range(1, n + 1)]),
]


@pytest.mark.parametrize(
    ("variant", "modules"), [BLOCKS[0], *(pytest.param(*one, marks=pytest.mark.slow) for one in BLOCKS[1:])]
)
def test_blocks_of_convolutional_networks(variant: str, modules: list[str]) -> None:
    backbone, batch = load(variant, layers="blocks"), images(2)
    read, seen = backbone.tokens(batch), hooked(backbone.module, modules, batch)
    assert len(read.local_tokens) == len(backbone.layers) == len(modules)
    for path, local, glob in zip(modules, read.local_tokens, read.global_tokens, strict=True):
        assert torch.equal(local, seen[path])
        torch.testing.assert_close(glob, seen[path].mean(dim=(2, 3)), atol=1e-5, rtol=1e-5)
    # What a stage gives, its last block gave.
    stages = load(variant).tokens(batch)
    assert torch.equal(read.local_tokens[-1], stages.local_tokens[-1])


@pytest.mark.parametrize("variant", [VIT, "swin_tiny_patch4_window7_224", "hrnet_w18_small", "convmixer_768_32"])
def test_networks_without_stages_of_blocks_have_no_such_setting(variant: str) -> None:
    with pytest.raises(UsageError, match=rf"timm/{variant} has no setting 'layers'"):
        card(variant).resolve_settings({"layers": "blocks"})


@pytest.mark.parametrize(("variant", "modules"), CONVOLUTIONAL)
def test_stages_of_convolutional_networks(variant: str, modules: list[str] | None) -> None:
    backbone, batch = load(variant), images(1)
    paths = modules or [info["module"] for info in backbone.module.feature_info]
    seen = hooked(backbone.module, paths, batch)
    read = backbone.tokens(batch)
    assert len(read.local_tokens) == len(backbone.layers) == card(variant).layers
    for path, local, glob in zip(paths, read.local_tokens, read.global_tokens, strict=True):
        assert torch.equal(local, seen[path]), path
        torch.testing.assert_close(glob, local.mean((2, 3)))
    assert card(variant).taps == ("block",)


def test_swin_gives_channels_last_and_is_turned() -> None:
    backbone, batch = load("swin_tiny_patch4_window7_224"), images(1)
    seen = hooked(backbone.module, [f"layers.{i}" for i in range(4)], batch)
    for i, local in enumerate(backbone.tokens(batch).local_tokens):
        assert torch.equal(local, seen[f"layers.{i}"].permute(0, 3, 1, 2))


def test_mixer_gives_patches_and_no_attention() -> None:
    backbone, batch = load("mixer_s32_224"), images(1)
    seen = hooked(backbone.module, [f"blocks.{i}" for i in range(8)], batch)
    for i, local in enumerate(backbone.tokens(batch).local_tokens):
        assert torch.equal(patches(local), seen[f"blocks.{i}"])
    with pytest.raises(UsageError, match="tap=attention: allowed are block"):
        load("mixer_s32_224", tap="attention")


@pytest.mark.parametrize("variant", ["samvit_base_patch16", "xcit_nano_12_p8_224", "hiera_tiny_224", "cait_xxs24_224"])
def test_no_attention_tap_where_its_output_is_no_sequence_of_the_stream(variant: str) -> None:
    assert card(variant).taps == ("block",)


def test_what_gives_no_maps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: Any) -> None:
        raise AttributeError("no forward_intermediates\nand more")

    monkeypatch.setattr(model, "intermediates", refuses)
    with pytest.raises(
        UsageError, match=r"timm's ResNet does not give its layers \(no forward_intermediates\); choose"
    ):
        names.card(name="timm/resnet18")


def test_order_of_patches() -> None:
    batch = torch.zeros(2, 3, 224, 224)
    batch[1, :, 32:48, 80:96] = 3
    tokens = load().tokens(batch)
    change = (tokens.local_tokens[0][1] - tokens.local_tokens[0][0]).norm(dim=0)
    assert divmod(int(change.argmax()), 14) == (2, 5)


def test_the_seed_draws_the_weights_and_nothing_else() -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # type: ignore[index]
    one, same, other = (load(init_seed=seed).module.state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])  # type: ignore[index]
    weight = "blocks.3.attn.qkv.weight"
    assert torch.equal(one[weight], same[weight])
    assert not torch.equal(one[weight], other[weight])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        assert torch.equal(one[weight], timm.create_model(VIT).state_dict()[weight])


@pytest.mark.parametrize("variant", [VIT, "resnet18", "vit_small_patch14_reg4_dinov2"])
def test_card_tells_the_truth(variant: str) -> None:
    backbone, made = load(variant), card(variant)
    assert isinstance(backbone, Backbone)
    assert sum(p.numel() for p in backbone.module.parameters()) == made.parameters
    assert not backbone.module.training
    assert not any(p.requires_grad for p in backbone.module.parameters())


def test_preproc() -> None:
    red = Image.new("RGB", (90, 40), (255, 0, 0))
    paper, native = load("vit_small_patch14_reg4_dinov2"), load("vit_small_patch14_reg4_dinov2", preproc="native")
    assert paper.preprocess(red).shape == (3, 224, 224)
    assert native.preprocess(red).shape == (3, 518, 518)
    torch.testing.assert_close(paper.preprocess(red)[:, 0, 0], torch.tensor([2.24891, -2.03571, -1.80444]))
    torch.testing.assert_close(load(preproc="native").preprocess(red)[:, 0, 0], torch.tensor([1.0, -1.0, -1.0]))
    assert model.input_size("samvit_base_patch16", "paper") == 1024
    assert model.input_size("inception_v3", "paper") == 224


def trained(variant: str, **options: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        return timm.create_model(variant, **options).eval()


def same(read: Tokens, network: Any, batch: Tensor) -> None:
    with torch.no_grad():
        for local, one in zip(read.local_tokens, model.intermediates(network, batch), strict=True):
            assert torch.equal(local, one[0] if isinstance(one, tuple) else one)


@pytest.mark.parametrize(
    ("variant", "classes"), [(VIT, 1000), (VIT, 7), ("resnet18", 7), ("swin_tiny_patch4_window7_224", 1000)]
)
def test_a_file_in_timms_layout(tmp_path: Path, variant: str, classes: int) -> None:
    theirs = trained(variant, num_classes=classes)
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    same(load(variant, tmp_path / "model.safetensors").tokens(images(1)), theirs, images(1))


@pytest.mark.parametrize("variant", [VIT, "resnet18"])
def test_a_file_without_a_classifier_is_enough(tmp_path: Path, variant: str) -> None:
    theirs = trained(variant, num_classes=0)
    save_file(theirs.state_dict(), tmp_path / "dino.safetensors")
    same(load(variant, tmp_path / "dino.safetensors").tokens(images(1)), theirs, images(1))


def test_facebooks_layout_of_dinov2_with_registers(tmp_path: Path) -> None:
    theirs = trained("vit_small_patch14_reg4_dinov2")
    state = dict(theirs.state_dict())
    # As FB wrote it: register_tokens, mask_token, a position of the class token, LayerScale as here.
    state["register_tokens"] = state.pop("reg_token")
    state["mask_token"] = torch.zeros(1, 384)
    position = torch.randn(1, 1, 384, generator=torch.Generator().manual_seed(1))
    state["pos_embed"] = torch.cat([position, state["pos_embed"]], dim=1)
    torch.save(state, tmp_path / "dinov2_vits14_reg4_pretrain.pth")
    read = load("vit_small_patch14_reg4_dinov2", tmp_path / "dinov2_vits14_reg4_pretrain.pth", preproc="native")
    with torch.no_grad():
        theirs.cls_token += position
    same(read.tokens(images(1, 518)), theirs, images(1, 518))


def test_the_original_layout_of_deit3(tmp_path: Path) -> None:
    theirs = trained("deit3_small_patch16_224")
    with torch.no_grad():
        for block in theirs.blocks:
            block.ls1.gamma.fill_(0.3)
    state = {
        k.replace("ls1.gamma", "gamma_1").replace("ls2.gamma", "gamma_2"): v for k, v in theirs.state_dict().items()
    }
    torch.save({"model": state}, tmp_path / "deit_3_small_224_1k.pth")
    same(load("deit3_small_patch16_224", tmp_path / "deit_3_small_224_1k.pth").tokens(images(1)), theirs, images(1))


def test_positions_are_resampled_to_224(tmp_path: Path) -> None:
    theirs = trained("vit_small_patch14_reg4_dinov2")
    save_file(theirs.state_dict(), tmp_path / "m.safetensors")
    resized = load("vit_small_patch14_reg4_dinov2", tmp_path / "m.safetensors")
    theirs.set_input_size((224, 224))
    for local, one in zip(resized.tokens(images(1)).local_tokens, model.intermediates(theirs, images(1)), strict=True):
        torch.testing.assert_close(local, one[0], atol=1e-5, rtol=1e-5)


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def broken(kind: str, tmp_path: Path) -> dict[str, Any]:
    state: dict[str, Any] = dict(trained("resnet18" if kind == "other" else VIT).state_dict())
    if kind == "missing":
        del state["blocks.3.attn.qkv.weight"]
    if kind == "extra":
        state["stranger.weight"] = torch.zeros(1)
    if kind == "size":
        state = dict(trained("vit_small_patch16_224").state_dict())
    if kind == "nan":
        state["blocks.2.norm1.weight"] = torch.full((192,), torch.nan)
    if kind == "hostile":
        state["cls_token"] = Hostile(tmp_path / "owned")
    return state


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", r"do not fit timm/vit_tiny_patch16_224 \(.*w\.bin\); .*Missing key.*blocks\.3\.attn\.qkv\.weight"),
        ("extra", r"Unexpected key.*stranger\.weight.*; give the file of this very network"),
        ("size", r"do not fit timm/vit_tiny_patch16_224 .*size mismatch"),
        ("other", r"do not fit timm/vit_tiny_patch16_224 .*Missing key"),
        ("nan", r"hold NaN in blocks\.2\.norm1\.weight"),
        ("hostile", r"w\.bin: not a tensors-only torch file"),
    ],
)
def test_files_that_cannot_be(kind: str, message: str, tmp_path: Path) -> None:
    torch.save(broken(kind, tmp_path), tmp_path / "w.bin")
    with pytest.raises(WeightsError, match=message) as caught:
        load(path=tmp_path / "w.bin")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "owned").exists()


def test_a_release_is_never_silently_untrained() -> None:
    made = card()
    with pytest.raises(WeightsError, match=r"cannot be fetched; give --weights timm/vit_tiny_patch16_224=FILE"):
        made.loader(weights=Weights("release"), settings=made.resolve_settings({}))
