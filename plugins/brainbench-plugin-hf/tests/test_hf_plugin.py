from __future__ import annotations

import json
from pathlib import Path

import pytest
import transformers
from brainbench_hf import plugin
from brainbench_hf.names import card
from huggingface_hub import constants
from PIL import Image

from brainbench import BackboneCard, Stimuli, UsageError, Weights, WeightsError, features_key
from brainbench.backbones import released_weights
from brainbench.planning.keys import weights_facts

VIT = transformers.ViTConfig(
    hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64, image_size=32, patch_size=8
)


@pytest.fixture(autouse=True)
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def commit(root: Path, name: str, seed: int = 0) -> Path:
    """A commit of the repository me/tiny in the cache, to which main points."""
    repository = root / "hub/models--me--tiny"
    snapshot = repository / "snapshots" / (name * 40)
    transformers.set_seed(seed)
    transformers.ViTModel(VIT).save_pretrained(snapshot)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs/main").write_text(name * 40)
    return snapshot


def test_the_hook_gives_one_pattern() -> None:
    (pattern,) = plugin.register_backbones()
    assert (pattern.pattern, pattern.family) == ("hf/*", "hf")
    assert not any((pattern.default, pattern.mini))


def test_a_hub_id_is_fetched_as_a_snapshot_without_pickles() -> None:
    made = card(name="hf/facebook/dinov2-base")
    assert (made.source, made.snapshot, made.released) == ("facebook/dinov2-base", True, True)
    assert made.files == ("config.json", "*config.json", "*.safetensors*")
    assert (made.weights, made.revision, made.layers) == ("hub", None, None)


@pytest.mark.slow
def test_a_branch_that_moved_gives_another_key_and_other_weights(tmp_path: Path) -> None:
    keys, loaded = [], []
    for name in "ab":
        snapshot = commit(tmp_path, name, seed=ord(name))
        made = card(name="hf/me/tiny")
        assert (made.weights, made.revision) == (f"hub:{name * 8}", name * 40)
        keys.append(weights_facts(made, Weights("release")))
        loaded.append(released_weights.obtained(made, Weights("release")).path)
        assert loaded[-1] == snapshot
    assert keys[0] != keys[1]


def test_of_a_repository_in_shards_every_shard_has_to_be_there(tmp_path: Path) -> None:
    snapshot = commit(tmp_path, "a")
    (snapshot / "model.safetensors").rename(snapshot / "one.safetensors")
    index = snapshot / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}))
    made = card(name="hf/me/tiny")
    assert released_weights.cached(made) is None
    (snapshot / "two.safetensors").touch()
    assert released_weights.cached(made) == snapshot


def test_a_download_takes_the_index_of_shards_and_nothing_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub.utils import filter_repo_objects

    there = [
        "config.json", "preprocessor_config.json", "model.safetensors.index.json", "model-1-of-2.safetensors",
        "model-2-of-2.safetensors", "pytorch_model.bin", "unet/y.safetensors", "onnx/config.json",
    ]  # fmt: skip
    taken = []

    def download(source: str, **options: object) -> str:
        patterns = {name: options.get(name) for name in ("allow_patterns", "ignore_patterns")}
        taken.extend(filter_repo_objects(there, **patterns))  # type: ignore[arg-type]
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(OSError, match="no network"):
        released_weights._from_hub(card(name="hf/me/tiny"))
    assert taken == there[:5]


def test_what_is_missing_is_not_asked_for_untrained_either() -> None:
    with pytest.raises(WeightsError, match=r"hf/me/tiny: the weights .* are missing") as caught:
        released_weights.obtained(card(name="hf/me/tiny"), Weights("release"))
    assert "untrained" not in str(caught.value)


def facts(made: BackboneCard) -> tuple[int | None, ...]:
    return made.layers, made.width, made.patch, made.input_size


def test_the_configuration_says_what_a_run_will_need(tmp_path: Path) -> None:
    commit(tmp_path, "a")
    made = card(name="hf/me/tiny")
    assert facts(made) == (3, 32, 8, 32)
    assert made.parameters == sum(p.numel() for p in transformers.ViTModel(VIT).parameters())
    stages = transformers.ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1])
    stages.save_pretrained(tmp_path / "convnext")
    assert facts(card(name=f"hf/{tmp_path / 'convnext'}")) == (4, 32, None, 224)
    transformers.ViTMAEConfig(**VIT.to_diff_dict() | {"model_type": "vit_mae"}).save_pretrained(tmp_path / "mae")
    assert facts(card(name=f"hf/{tmp_path / 'mae'}")) == (3, 32, 8, 32)


REFUSED = {
    "siglip2": (transformers.Siglip2VisionConfig, {}, r"Siglip2VisionModel does not run on images alone \(.*\); choose"),
    "videomae": (transformers.VideoMAEConfig, {"image_size": 32, "patch_size": 8}, r"does not run on images alone"),
    "pvt": (transformers.PvtV2Config, {}, r"choose another network|name another submodule"),
    "text": (transformers.BertConfig, {"intermediate_size": 64}, r"takes input_ids, no images"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_network_that_cannot_be_read_is_refused_before_anything_runs(name: str, tmp_path: Path) -> None:
    kind, options, message = REFUSED[name]
    kind(**options).save_pretrained(tmp_path / name)
    with pytest.raises(UsageError, match=message) as caught:
        card(name=f"hf/{tmp_path / name}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["hf/dinov2", "hf/a/b/c", "hf/a b/c", "hf/a/..", "hf/https://x"])
def test_what_is_neither(name: str) -> None:
    with pytest.raises(UsageError, match=r"expected hf/OWNER/NAME .* or a folder: hf//absolute"):
        card(name=name)


def test_a_hub_that_does_not_answer_is_asked_once_and_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def silent(url: str, *, timeout: float) -> None:
        asked.append(timeout)
        raise OSError(url)

    # A download is tried again for half a minute.
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_: pytest.fail("a download was tried"))
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", silent)
    made = card(name="hf/me/tiny")
    assert len(asked) == 1
    assert asked[0] <= 5
    assert (made.layers, made.summary) == (None, "me/tiny of the Hugging Face hub (its config.json cannot be had now)")


def test_a_folder_is_named_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"hf/{tmp_path}"
    with pytest.raises(UsageError, match=r"no config\.json in .*; name a folder as save_pretrained"):
        card(name=name)
    VIT.save_pretrained(tmp_path)
    bare = card(name=name)
    assert (bare.weights, bare.released) == ("untrained", False)
    (tmp_path / "model.safetensors").write_bytes(b"1")
    one = card(name=name)
    (tmp_path / "model.safetensors").write_bytes(b"2")
    two = card(name=name)
    assert one.released
    assert one.weights.startswith("local:")
    assert one.weights != two.weights
    assert one.version == two.version == bare.version
    config = tmp_path / "config.json"
    config.write_text(config.read_text() + " ")
    assert card(name=name).version != one.version
    monkeypatch.chdir(tmp_path.parent)
    assert card(name=f"hf/./{tmp_path.name}").weights == card(name=name).weights


def test_a_relative_name_gives_the_same_key_wherever_the_folder_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Stimuli(("a",), ("0" * 64,), lambda _: Image.new("RGB", (8, 8)))
    keys = []
    for place in ("one", "two"):
        # The second only links to the folder.
        (tmp_path / place).mkdir()
        folder = tmp_path / (place if place == "one" else "elsewhere") / "mine"
        transformers.set_seed(0)
        transformers.ViTModel(VIT).save_pretrained(folder)
        if place == "two":
            (tmp_path / "two/mine").symlink_to(folder)
        monkeypatch.chdir(tmp_path / place)
        keys.append(features_key("hf/./mine", shown, device="cpu"))
    assert keys[0] == keys[1]
    (tmp_path / "two/mine/config.json").write_text((tmp_path / "one/mine/config.json").read_text() + " ")
    # In the same process, too.
    assert features_key("hf/./mine", shown, device="cpu") != keys[0]


@pytest.mark.parametrize("shard", ["../model.safetensors", "gone.safetensors"])
def test_an_index_names_files_beside_it(tmp_path: Path, shard: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path.parent / "model.safetensors").write_bytes(b"1")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": shard}}))
    with pytest.raises(WeightsError, match=r"names .*model\.safetensors|names gone.*no file beside it"):
        card(name=f"hf/{tmp_path}")
