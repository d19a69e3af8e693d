from __future__ import annotations

import json
from pathlib import Path

import pytest
from brainbench_hf import plugin
from brainbench_hf.names import card

from brainbench import UsageError, WeightsError


def test_the_hook_gives_one_pattern() -> None:
    (pattern,) = plugin.register_backbones()
    assert (pattern.pattern, pattern.family) == ("hf/*", "hf")
    assert not any((pattern.default, pattern.mini))


def test_a_hub_id_is_fetched_as_a_snapshot_without_pickles() -> None:
    made = card(name="hf/facebook/dinov2-base")
    assert (made.source, made.snapshot, made.released) == ("facebook/dinov2-base", True, True)
    assert made.files == ("config.json", "*config.json", "*.safetensors")


@pytest.mark.parametrize("name", ["hf/dinov2", "hf/a/b/c", "hf/a b/c", "hf/a/..", "hf/https://x"])
def test_what_is_neither(name: str) -> None:
    with pytest.raises(UsageError, match=r"expected hf/OWNER/NAME .* or a folder: hf//absolute"):
        card(name=name)


def test_a_folder_is_named_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"hf/{tmp_path}"
    with pytest.raises(UsageError, match=r"no config\.json in .*; name a folder as save_pretrained"):
        card(name=name)
    (tmp_path / "config.json").write_text("{}")
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
    (tmp_path / "config.json").write_text("{ }")
    assert card(name=name).version != one.version
    monkeypatch.chdir(tmp_path.parent)
    assert card(name=f"hf/./{tmp_path.name}").weights == card(name=name).weights


@pytest.mark.parametrize("shard", ["../model.safetensors", "gone.safetensors"])
def test_an_index_names_files_beside_it(tmp_path: Path, shard: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path.parent / "model.safetensors").write_bytes(b"1")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": shard}}))
    with pytest.raises(WeightsError, match=r"names .*model\.safetensors|names gone.*no file beside it"):
        card(name=f"hf/{tmp_path}")
