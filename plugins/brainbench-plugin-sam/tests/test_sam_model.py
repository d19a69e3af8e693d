from __future__ import annotations

import os
import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from brainbench_sam import model
from brainbench_sam.plugin import CARDS
from PIL import Image
from safetensors.torch import save_file
from segment_anything import sam_model_registry
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.modeling.image_encoder import window_partition, window_unpartition
from torch import Tensor, nn

from brainbench import Backbone, BackboneCard, Weights, WeightsError, seeded

pytestmark = pytest.mark.slow

NETWORKS = {card.name: card for card in CARDS}
MINI = NETWORKS["sam/mini"]
BASE = NETWORKS["sam/vit-b"]
LIBRARIES = ["segment-anything", "timm"]


def load(card: BackboneCard = MINI, path: Path | None = None, **settings: Any) -> Any:
    weights = Weights("file", path) if path else Weights("untrained")
    return card.loader(weights=weights, settings=card.resolve_settings(settings))


def images(count: int, size: int = 64) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def encoder(architecture: str, seed: int = 7) -> Any:
    """segment_anything's encoder with every parameter drawn, also the positions, which it would start at zero."""
    with seeded(seed):
        network = model.build(architecture, "segment-anything")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "pos" in name or "bias" in name:
                parameter.normal_(0, 0.2, generator=generator)
    return network.eval().requires_grad_(False)


def released(network: Any) -> dict[str, Tensor]:
    """The state dict of all three parts, as Meta releases it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        prompts = PromptEncoder(embed_dim=256, image_embedding_size=(8, 8), input_image_size=(64, 64), mask_in_chans=16)
        transformer = TwoWayTransformer(depth=1, embedding_dim=256, mlp_dim=32, num_heads=8)
        decoder = MaskDecoder(transformer_dim=256, transformer=transformer)
        sam = Sam(image_encoder=network, prompt_encoder=prompts, mask_decoder=decoder)
        # The network is built without its neck, which a release has.
        width = network.pos_embed.shape[-1]
        neck = ImageEncoderViT(img_size=32, embed_dim=width, depth=0, num_heads=1).neck.state_dict()
    return dict(sam.state_dict()) | {f"image_encoder.neck.{name}": value for name, value in neck.items()}


def blocks(network: Any, batch: Tensor) -> list[dict[str, Tensor]]:
    """What goes into each block, into its second norm and out of it, [B, H, W, C] each: the forward pass written by hand."""
    seen: list[dict[str, Tensor]] = []
    with torch.no_grad():
        x = network.patch_embed(batch) + network.pos_embed
        for block in network.blocks:
            record = {"start": x}
            handle = block.norm2.register_forward_pre_hook(lambda _, inputs, r=record: r.update(attended=inputs[0]))
            x = block(x)
            handle.remove()
            record["attended"] = record["attended"].reshape(x.shape)
            record["end"] = x
            seen.append(record)
    return seen


def relative(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm())


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """ViT-B at full width and depth, for images of 256 px, and its file in the released layout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(model.ARCHITECTURES, "vit_b", model.ARCHITECTURES["vit_b"] | {"img_size": 256})
        network = encoder("vit_b")
    path = tmp_path_factory.mktemp("base") / "sam_vit_b_01ec64.pth"
    torch.save(released(network), path)
    return network, path


@pytest.fixture
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(model.ARCHITECTURES, "vit_b", model.ARCHITECTURES["vit_b"] | {"img_size": 256})


@pytest.mark.usefixtures("small_pictures")
def test_base_blocks_equal_a_forward_pass_by_hand(base: tuple[Any, Path]) -> None:
    network, path = base
    batch = images(1, 256)
    tokens = load(BASE, path).tokens(batch)
    expected = blocks(network, batch)
    assert len(tokens.local_tokens) == len(expected) == 12
    for local, glob, record in zip(tokens.local_tokens, tokens.global_tokens, expected, strict=True):
        assert local.shape == (1, 768, 16, 16)
        assert torch.equal(local, record["end"].permute(0, 3, 1, 2))
        torch.testing.assert_close(glob, record["end"].flatten(1, 2).mean(1))


@pytest.mark.usefixtures("small_pictures")
def test_base_attention_is_what_a_block_adds_first(base: tuple[Any, Path]) -> None:
    network, path = base
    batch = images(1, 256)
    tokens = load(BASE, path, tap="attention").tokens(batch)
    for local, record in zip(tokens.local_tokens, blocks(network, batch), strict=True):
        assert torch.equal(record["start"] + local.permute(0, 2, 3, 1), record["attended"])


@pytest.mark.usefixtures("small_pictures")
def test_base_reads_the_same_tokens_in_timm(base: tuple[Any, Path]) -> None:
    _, path = base
    overlay = {"file": str(path), "input_size": (3, 256, 256)}
    theirs: Any = timm.create_model(
        "samvit_base_patch16",
        pretrained=True,
        pretrained_cfg_overlay=overlay,
        num_classes=0,
        img_size=256,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
    ).eval()
    batch = images(1, 256)
    with torch.no_grad():
        expected = theirs.forward_intermediates(batch, norm=False, intermediates_only=True)
    ours = load(BASE, path, library="timm").tokens(batch)
    for one, other in zip(ours.local_tokens, expected, strict=True):
        assert torch.equal(one, other)
    for one, other in zip(load(BASE, path).tokens(batch).local_tokens, expected, strict=True):
        assert relative(one, other) < 1e-5


@pytest.fixture
def mini(tmp_path: Path) -> tuple[Any, Path]:
    network, path = encoder("mini"), tmp_path / "mini.pth"
    torch.save(released(network), path)
    return network, path


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("tap", ["block", "attention"])
def test_mini_in_a_batch(mini: tuple[Any, Path], library: str, tap: str) -> None:
    _, path = mini
    backbone, batch = load(path=path, library=library, tap=tap), images(3)
    together = backbone.tokens(batch)
    records = blocks(backbone.module, batch)
    for local, glob, record in zip(together.local_tokens, together.global_tokens, records, strict=True):
        last = local.permute(0, 2, 3, 1)
        assert torch.equal(*((last, record["end"]) if tap == "block" else (record["start"] + last, record["attended"])))
        assert torch.equal(glob, local.mean(dim=(2, 3)))
    alone = backbone.tokens(batch[1:2])
    for one, all_three in zip(alone.local_tokens, together.local_tokens, strict=True):
        torch.testing.assert_close(one[0], all_three[1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("tap", ["block", "attention"])
def test_both_libraries_agree_where_tokens_are_faint(tmp_path: Path, tap: str) -> None:
    # timm's own epsilon, ten times that of the release, would change the norm of tokens as faint as these by a third.
    network = encoder("mini")
    with torch.no_grad():
        for parameter in (network.patch_embed.proj.weight, network.patch_embed.proj.bias, network.pos_embed):
            parameter.mul_(0.01)
    torch.save(released(network), tmp_path / "w.pth")
    batch = images(2)
    ours, theirs = (load(path=tmp_path / "w.pth", library=library, tap=tap).tokens(batch) for library in LIBRARIES)
    for one, other in zip(ours.local_tokens, theirs.local_tokens, strict=True):
        assert relative(one, other) < 1e-5


@pytest.mark.parametrize(("grid", "size"), [(8, 4), (16, 14), (64, 14)])
def test_windows_are_joined_as_segment_anything_does(grid: int, size: int) -> None:
    whole = torch.randn(2, grid, grid, 3)
    windows, padded = window_partition(whole, size)
    assert torch.equal(model.joined(windows, size, grid), window_unpartition(windows, size, padded, (grid, grid)))
    assert torch.equal(model.joined(windows, size, grid), whole)


def test_order_of_patches(mini: tuple[Any, Path]) -> None:
    batch = torch.zeros(2, 3, 64, 64)
    batch[1, :, 16:24, 40:48] = 3
    for tap in ("block", "attention"):
        local = load(path=mini[1], tap=tap).tokens(batch).local_tokens[0]
        assert divmod(int((local[1] - local[0]).norm(dim=0).argmax()), 8) == (2, 5)


@pytest.mark.parametrize("library", LIBRARIES)
def test_paper_pictures_are_enlarged_in_front_of_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    large = model.ARCHITECTURES["mini"] | {"img_size": 256, "patch_size": 32}
    monkeypatch.setitem(model.ARCHITECTURES, "mini", large)
    network, path = encoder("mini"), tmp_path / "w.pth"
    torch.save(released(network), path)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 40, 3), dtype=np.uint8))
    paper, native = (load(path=path, library=library, preproc=preproc) for preproc in ("paper", "native"))
    assert paper.preprocess(noise).shape == (3, 224, 224)
    assert native.preprocess(noise).shape == (3, 256, 256)
    batch = paper.preprocess(noise)[None]
    enlarged = F.interpolate(batch, size=(256, 256), mode="bilinear")
    expected = blocks(network, enlarged)[0]["end"].permute(0, 3, 1, 2)
    assert relative(paper.tokens(batch).local_tokens[0], expected) < 1e-5
    assert relative(native.tokens(native.preprocess(noise)[None]).local_tokens[0], expected) > 0.01


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_sizes_of_pictures(card: BackboneCard) -> None:
    red = Image.new("RGB", (90, 40), (255, 0, 0))
    with torch.device("meta"):
        paper, native = load(card), load(card, preproc="native")
    expected = (64, 64) if card.mini else (224, 1024)
    assert tuple(backbone.preprocess(red).shape[-1] for backbone in (paper, native)) == expected
    for backbone in (paper, native):
        torch.testing.assert_close(backbone.preprocess(red)[:, 5, 60], torch.tensor([2.24891, -2.03571, -1.80444]))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_card_tells_the_truth(card: BackboneCard, library: str) -> None:
    with torch.device("meta"):
        backbone = load(card, library=library)
    network = backbone.module
    assert isinstance(backbone, Backbone)
    assert backbone.layers == tuple(f"layer{i + 1}" for i in range(card.layers or 0))
    assert network.patch_embed.proj.weight.shape == (card.width, 3, card.patch, card.patch)
    side = (card.input_size or 0) // (card.patch or 1)
    assert network.pos_embed.shape == (1, side, side, card.width)
    assert sum(p.numel() for p in network.parameters()) == card.parameters
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("architecture", "theirs"),
    [("vit_b", "samvit_base_patch16"), ("vit_l", "samvit_large_patch16"), ("vit_h", "samvit_huge_patch16")],
)
def test_architecture_is_the_library_s_own(architecture: str, theirs: str, library: str) -> None:
    with torch.device("meta"):
        ours = model.build(architecture, library)
        reference = sam_model_registry[architecture]().image_encoder
        other: Any = reference if library != "timm" else timm.create_model(theirs, num_classes=0)
    other.neck = nn.Identity()
    shapes = [{name: value.shape for name, value in network.state_dict().items()} for network in (ours, other)]
    assert shapes[0] == shapes[1]
    for one, two, block in zip(ours.blocks, other.blocks, reference.blocks, strict=True):
        assert one.window_size == two.window_size == block.window_size
        assert one.attn.num_heads == two.attn.num_heads == block.attn.num_heads
        # timm's is 1e-5, which the released networks were not trained with.
        assert one.norm1.eps == one.norm2.eps == block.norm1.eps == 1e-6


def test_untrained_is_the_initialisation_of_segment_anything() -> None:
    ours = load(BASE, init_seed=5).module.state_dict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        theirs = ImageEncoderViT(use_rel_pos=True, window_size=14, global_attn_indexes=(2, 5, 8, 11)).state_dict()
    assert {name.split(".")[0] for name in theirs.keys() - ours.keys()} == {"neck"}
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_seed_draws_the_weights_and_nothing_else(library: str) -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # type: ignore[index]
    one, same, other = (load(init_seed=seed, library=library) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])  # type: ignore[index]
    batch = images(1)
    last = [backbone.tokens(batch).local_tokens[-1] for backbone in (one, same, other)]
    assert torch.equal(last[0], last[1])
    assert not torch.allclose(last[0], last[2], atol=0.1)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", ["release", "safetensors", "statistics kept", "training checkpoint"])
def test_a_file_in_the_original_layout(tmp_path: Path, kind: str, library: str) -> None:
    network, path = encoder("mini"), tmp_path / "w"
    state = released(network)
    assert {name.split(".")[0] for name in state} == {"image_encoder", "mask_decoder", "prompt_encoder"}
    if kind == "safetensors":
        save_file({name: value.contiguous() for name, value in state.items()}, path)
    elif kind == "statistics kept":
        torch.save(state | {"pixel_mean": torch.ones(3, 1, 1), "pixel_std": torch.ones(3, 1, 1)}, path)
    else:
        torch.save({"model": state, "optimizer": {"step": 3}} if kind == "training checkpoint" else state, path)
    batch = images(2)
    read = MINI.loader(weights=Weights("release", path), settings=MINI.resolve_settings({"library": library}))
    for one, record in zip(read.tokens(batch).local_tokens, blocks(network, batch), strict=True):
        assert relative(one, record["end"].permute(0, 3, 1, 2)) < 1e-5


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_file_without_the_neck_which_nobody_reads(tmp_path: Path, library: str) -> None:
    network, path = encoder("mini"), tmp_path / "w.pth"
    torch.save({name: value for name, value in released(network).items() if ".neck." not in name}, path)
    batch = images(2)
    read = load(path=path, library=library)
    for one, record in zip(read.tokens(batch).local_tokens, blocks(network, batch), strict=True):
        assert relative(one, record["end"].permute(0, 3, 1, 2)) < 1e-5


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("image_encoder.blocks.3.norm1.bias"), r"missing: image_encoder\.blocks\.3\.norm1\.bias; give"),
        (lambda s: s.update({"image_encoder.x": torch.ones(1)}), r"unexpected: image_encoder\.x; give the file"),
        (lambda s: s.update({"head.fc.bias": torch.ones(1)}), r"unexpected: head\.fc\.bias; give the file"),
        (lambda s: s["image_encoder.pos_embed"].fill_(torch.nan), r"hold NaN in image_encoder\.pos_embed; do"),
    ],
    ids=["missing", "extra", "a head", "NaN"],
)
def test_a_file_that_does_not_fit(tmp_path: Path, change: Any, message: str, library: str) -> None:
    state = released(encoder("mini"))
    change(state)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=rf"the weights .*sam/mini \(.*w\.pth\).* {message}") as caught:
        load(path=tmp_path / "w.pth", library=library)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_file_of_another_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, library: str) -> None:
    monkeypatch.setitem(model.ARCHITECTURES, "other", model.ARCHITECTURES["mini"] | {"embed_dim": 48, "depth": 13})
    torch.save(released(encoder("other")), tmp_path / "w.pth")
    with pytest.raises(
        WeightsError,
        match=r"do not fit sam/mini \(.*w\.pth\); unexpected: image_encoder\.blocks\.12\..* wrong shape:"
        r" image_encoder\.pos_embed is 1x8x8x48, not 1x8x8x96",
    ) as caught:
        load(path=tmp_path / "w.pth", library=library)
    assert "\n" not in str(caught.value)


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_hostile_file_runs_nothing(tmp_path: Path, library: str) -> None:
    state = released(encoder("mini")) | {"prompt_encoder.x": Hostile(tmp_path / "owned")}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"w\.pth: not a tensors-only torch file"):
        load(path=tmp_path / "w.pth", library=library)
    assert not (tmp_path / "owned").exists()
