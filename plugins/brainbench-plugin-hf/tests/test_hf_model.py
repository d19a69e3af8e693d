from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from brainbench_hf.model import _read
from brainbench_hf.names import card
from huggingface_hub import constants
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from brainbench import Backbone, UsageError, Weights, WeightsError

pytestmark = pytest.mark.slow

SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
}
WIDE: dict[str, Any] = SHAPE | {"intermediate_size": 64}
TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 50,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
STAGES: dict[str, Any] = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
# class of the configuration, its arguments, tokens before the patches, whether the first is a class token
SEQUENCES = {
    "vit": (transformers.ViTConfig, WIDE, 1),
    "deit": (transformers.DeiTConfig, WIDE, 2),
    "dinov2": (transformers.Dinov2Config, SHAPE, 1),
    "registers": (transformers.Dinov2WithRegistersConfig, SHAPE, 5),
    "clip": (transformers.CLIPConfig, {"vision_config": WIDE, "text_config": TEXT}, 1),
    "clip-vision": (transformers.CLIPVisionConfig, WIDE, 1),
    "siglip": (transformers.SiglipConfig, {"vision_config": WIDE, "text_config": TEXT}, 0),
    "beit": (transformers.BeitConfig, WIDE, 1),
    "swin": (
        transformers.SwinConfig,
        {"image_size": 32, "patch_size": 4, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4},
        0,
    ),
}
MAPS = {
    "convnext": (transformers.ConvNextConfig, STAGES),
    "resnet": (transformers.ResNetConfig, STAGES | {"embedding_size": 8}),
}
OTHER_MAPS = {
    "vitdet": (
        transformers.VitDetConfig,
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32, "patch_size": 8},
        [(32, 4, 4)] * 2,
    ),
    "sam": (
        transformers.SamVisionConfig,
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 64, "patch_size": 8,
         "global_attn_indexes": [1], "window_size": 4},
        [(32, 8, 8)] * 2,
    ),
}  # fmt: skip
MAE: dict[str, Any] = WIDE | {
    "decoder_num_hidden_layers": 1,
    "decoder_hidden_size": 32,
    "decoder_num_attention_heads": 4,
    "decoder_intermediate_size": 32,
}


def trained(config: Any, kind: Any = None) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        network = (kind or transformers.AutoModel.from_config)(config)
        # Positions and tokens start as zeros in some classes, which would hide a wrong order.
        for name, parameter in network.named_parameters():
            if "embeddings" in name:
                parameter.data.normal_()
    return network.eval()


def saved(folder: Path, config: Any, kind: Any = None, **options: Any) -> Any:
    network = trained(config, kind)
    network.save_pretrained(folder, **options)
    return network


def load(folder: Path, weights: Weights | None = None, **settings: Any) -> Any:
    made = card(name=f"hf/{folder}")
    default = Weights("release") if made.released else Weights("untrained")
    return made.loader(weights=weights or default, settings=made.resolve_settings(settings))


def images(count: int, size: int = 32) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def hidden(network: Any, batch: Tensor, **options: Any) -> list[Tensor]:
    with torch.no_grad():
        tower = getattr(network, "vision_model", network)
        return list(tower(batch, output_hidden_states=True, **options).hidden_states[1:])


def equal(read: Any, expected: list[Tensor], prefix: int) -> None:
    assert len(read.local_tokens) == len(expected)
    for local, glob, one in zip(read.local_tokens, read.global_tokens, expected, strict=True):
        assert torch.equal(local.flatten(2).transpose(1, 2), one[:, prefix:])
        assert torch.equal(glob, one[:, 0] if prefix else one.mean(1))


@pytest.mark.parametrize("name", SEQUENCES)
def test_transformers_equal_their_hidden_states(name: str, tmp_path: Path) -> None:
    kind, options, prefix = SEQUENCES[name]
    network = saved(tmp_path, kind(**options))
    backbone = load(tmp_path)
    assert isinstance(backbone, Backbone)
    equal(backbone.tokens(images(2)), hidden(network, images(2)), prefix)


@pytest.mark.parametrize("name", MAPS)
def test_convolutional_networks_equal_their_stages(name: str, tmp_path: Path) -> None:
    kind, options = MAPS[name]
    network = saved(tmp_path, kind(**options))
    read = load(tmp_path).tokens(images(2, 64))
    for local, glob, one in zip(read.local_tokens, read.global_tokens, hidden(network, images(2, 64)), strict=True):
        assert torch.equal(local, one)
        assert torch.equal(glob, one.mean((2, 3)))


@pytest.mark.parametrize("name", OTHER_MAPS)
def test_square_maps_are_read_with_channels_first_or_last(name: str, tmp_path: Path) -> None:
    kind, options, shapes = OTHER_MAPS[name]
    network = saved(tmp_path, kind(**options))
    size = options["image_size"]
    read = load(tmp_path).tokens(images(2, size))
    assert [tuple(local.shape[1:]) for local in read.local_tokens] == shapes
    last = hidden(network, images(2, size))[-1]
    expected = last if last.shape[1] == shapes[-1][0] else last.permute(0, 3, 1, 2)
    assert torch.equal(read.local_tokens[-1], expected)


def test_a_masked_autoencoder_hides_and_shuffles_nothing(tmp_path: Path) -> None:
    config = transformers.ViTMAEConfig(**MAE)
    network = saved(tmp_path, config, transformers.ViTMAEForPreTraining)
    backbone = load(tmp_path)
    read = backbone.tokens(images(2))
    # By hand: embed all patches in their order, then run the layers.
    network = network.vit
    with torch.no_grad():
        embeddings = network.embeddings
        position = embeddings.position_embeddings
        tokens = embeddings.patch_embeddings(images(2)) + position[:, 1:]
        tokens = torch.cat([(embeddings.cls_token + position[:, :1]).expand(2, -1, -1), tokens], dim=1)
        expected = []
        for layer in network.layers:
            tokens = layer(tokens)
            tokens = tokens[0] if isinstance(tokens, tuple) else tokens
            expected.append(tokens)
    equal(read, expected, 1)
    again = backbone.tokens(images(2))
    assert torch.equal(read.local_tokens[2], again.local_tokens[2])


def test_a_file_of_a_network_with_a_head(tmp_path: Path) -> None:
    network = saved(tmp_path, transformers.ViTConfig(**WIDE), transformers.ViTForImageClassification)
    written = load_file(tmp_path / "model.safetensors")
    # The layout of the released files, which transformers renames as it reads them.
    assert "vit.encoder.layer.0.attention.attention.query.weight" in written
    assert "classifier.weight" in written
    equal(load(tmp_path).tokens(images(2)), hidden(network.vit, images(2)), 1)


def test_shards_and_torch_files(tmp_path: Path) -> None:
    network = saved(tmp_path / "shards", transformers.ViTConfig(**WIDE), max_shard_size="20KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 2
    equal(load(tmp_path / "shards").tokens(images(1)), hidden(network, images(1)), 1)
    (tmp_path / "torch").mkdir()
    network.config.save_pretrained(tmp_path / "torch")
    torch.save(network.state_dict(), tmp_path / "torch/pytorch_model.bin")
    equal(load(tmp_path / "torch").tokens(images(1)), hidden(network, images(1)), 1)


def test_a_file_in_the_place_of_the_folders_own(tmp_path: Path) -> None:
    network = saved(tmp_path, transformers.ViTConfig(**WIDE))
    other = tmp_path / "other.safetensors"
    save_file({k: v * 2 for k, v in load_file(tmp_path / "model.safetensors").items()}, other)
    read = load(tmp_path, Weights("file", other)).tokens(images(1))
    assert not torch.allclose(read.global_tokens[2], hidden(network, images(1))[2][:, 0], atol=0.1)


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def broken(kind: str, tmp_path: Path) -> dict[str, Any]:
    size = {"hidden_size": 64} if kind == "size" else {}
    state: dict[str, Any] = dict(trained(transformers.Dinov2Config(**(SHAPE | size))).state_dict())
    if kind == "missing":
        del state["encoder.layer.1.norm1.weight"]
    if kind == "extra":
        state["stranger.weight"] = torch.zeros(1)
    if kind == "nan":
        state["encoder.layer.2.norm1.weight"] = torch.full((32,), torch.nan)
    if kind == "hostile":
        state["embeddings.cls_token"] = Hostile(tmp_path / "owned")
    if kind == "other":
        state = dict(trained(transformers.ResNetConfig(**MAPS["resnet"][1])).state_dict())
    return state


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", r"do not fit hf/.*; missing: encoder\.layer\.1\.norm1\.weight; give the file of this very network"),
        ("extra", r"unexpected: stranger\.weight"),
        ("size", r"wrong shape: embeddings\.cls_token"),
        ("other", r"missing: .*; unexpected: embedder"),
        ("nan", r"hold NaN in encoder\.layer\.2\.norm1\.weight"),
        ("hostile", r"pytorch_model\.bin: not a tensors-only torch file"),
    ],
)
def test_weights_that_cannot_be(kind: str, message: str, tmp_path: Path) -> None:
    transformers.Dinov2Config(**SHAPE).save_pretrained(tmp_path)
    torch.save(broken(kind, tmp_path), tmp_path / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=message) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "owned").exists()


def test_untrained_is_drawn_from_the_seed_and_nothing_else(tmp_path: Path) -> None:
    transformers.ViTConfig(**WIDE).save_pretrained(tmp_path)
    before = torch.get_rng_state()
    one, same, other = (load(tmp_path, init_seed=seed).tokens(images(1)).global_tokens[2] for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, same)
    assert not torch.allclose(one, other, atol=0.1)


def test_alone_as_in_a_batch(tmp_path: Path) -> None:
    transformers.ViTMAEConfig(**MAE).save_pretrained(tmp_path)
    backbone = load(tmp_path)
    together, alone = backbone.tokens(images(3)), backbone.tokens(images(3)[1:2])
    torch.testing.assert_close(alone.local_tokens[2][0], together.local_tokens[2][1], atol=1e-5, rtol=1e-5)


def test_code_of_its_own_is_never_run(tmp_path: Path) -> None:
    transformers.ViTConfig(**WIDE).save_pretrained(tmp_path)
    facts = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(facts | {"auto_map": {"AutoModel": "mine.Mine"}}))
    (tmp_path / "mine.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'owned')!r})\nclass Mine: pass\n")
    with pytest.raises(UsageError, match=r"asks for code of its own \(auto_map\), which is never run"):
        load(tmp_path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"model_type": "nonsense"}, r"transformers cannot read .*config\.json"),
        (
            {"model_type": "bert", "hidden_size": 32, "num_attention_heads": 4, "vocab_size": 9},
            r"takes input_ids, no images",
        ),
    ],
)
def test_networks_that_cannot_be_read(facts: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(facts | {"num_hidden_layers": 1}))
    with pytest.raises(UsageError, match=message):
        load(tmp_path)


def test_sequences_of_an_unknown_make_are_refused(tmp_path: Path) -> None:
    transformers.ViTConfig(**(WIDE | {"image_size": [32, 16]})).save_pretrained(tmp_path)
    # Its pictures are squares of 32 x 32 pixels.
    with pytest.raises(UsageError, match=r"ViTModel does not run on images alone \(Input image size .* choose another"):
        load(tmp_path)


def test_tokens_of_a_number_that_is_no_square_are_refused() -> None:
    tower = trained(transformers.ViTConfig(**WIDE))
    with pytest.raises(UsageError, match=r"layer1 of ViTModel gives \[1, 9, 32\], expected .* \[B, 1 \+ g\*g, C\]"):
        _read(torch.zeros(1, 9, 32), "layer1", name="x", tower=tower)


def test_tokens_after_the_patches_and_those_of_a_head_are_no_patches(tmp_path: Path) -> None:
    network = saved(
        tmp_path / "yolos", transformers.YolosConfig(**(WIDE | {"image_size": [32, 32]}), num_detection_tokens=9)
    )
    read, expected = load(tmp_path / "yolos").tokens(images(2)), hidden(network, images(2))
    equal(read, [one[:, :17] for one in expected[: len(read.local_tokens)]], 1)
    aimv2 = transformers.Aimv2VisionConfig(**WIDE, use_head=True)
    network = saved(tmp_path / "aimv2", aimv2)
    assert any(name.startswith("head.") and "cls_token" in name for name, _ in network.named_parameters())
    equal(load(tmp_path / "aimv2").tokens(images(2)), hidden(network, images(2)), 0)


def test_a_hub_id_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    made = card(name="hf/nobody/nothing")
    with pytest.raises(
        WeightsError,
        match=r"nobody/nothing is not cached and could not be downloaded; run `hf download nobody/nothing`",
    ):
        made.loader(weights=Weights("untrained"), settings=made.resolve_settings({}))


def test_preproc(tmp_path: Path) -> None:
    red = Image.new("RGB", (90, 40), (255, 0, 0))
    transformers.Dinov2Config(**SHAPE).save_pretrained(tmp_path)
    paper = load(tmp_path).preprocess(red)
    assert paper.shape == (3, 224, 224)
    torch.testing.assert_close(paper[:, 0, 0], torch.tensor([2.24891, -2.03571, -1.80444]))
    with pytest.raises(WeightsError, match=r"preproc=native needs image_mean and image_std in .*choose preproc=paper"):
        load(tmp_path, preproc="native")
    facts = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "crop_size": {"height": 48, "width": 48}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(facts))
    native = load(tmp_path, preproc="native").preprocess(red)
    assert native.shape == (3, 48, 48)
    torch.testing.assert_close(native[:, 0, 0], torch.tensor([1.0, -1.0, -1.0]))
    (tmp_path / "vit").mkdir()
    transformers.ViTConfig(**WIDE).save_pretrained(tmp_path / "vit")
    assert load(tmp_path / "vit").preprocess(red).shape == (3, 32, 32)
