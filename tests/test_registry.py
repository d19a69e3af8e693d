from __future__ import annotations

import re
from dataclasses import replace

import pytest
import toy

from brainbench import BackboneCard, PluginError, UsageError
from brainbench.planning.backbones import representatives
from brainbench.planning.settings import Assignments
from brainbench.registry import Registry, describe_card


def expand(name: str) -> BackboneCard:
    if name.endswith("unknown"):
        raise UsageError(f"{name}: no such network; did you mean many/one?")
    if name.endswith("broken"):
        raise RuntimeError("library\nmissing")
    return toy.backbone(name, weights="v1")


PATTERN = replace(toy.backbone("many/<name>"), pattern="many/*", expand=expand)


@pytest.fixture
def registry() -> Registry:
    return toy.registry([PATTERN, toy.backbone("many/named", default=True), toy.backbone("toy/net")])


def test_any_name_of_the_pattern_has_a_card(registry: Registry) -> None:
    entry = registry.backbones.get("many/one.two")
    assert (entry.name, entry.card.weights, entry.plugin.distribution) == ("many/one.two", "v1", "toy-dist")
    assert registry.backbones.get("many/one.two") is entry
    assert registry.backbones.get("many/named").card.default


def test_a_glob_finds_what_has_a_name(registry: Registry) -> None:
    assert [e.name for e in registry.backbones.match("many/*")] == ["many/named"]


def test_a_pattern_is_listed_once_and_stands_for_nobody(registry: Registry) -> None:
    assert [e.name for e in registry.backbones] == ["many/<name>", "many/named", "toy/net"]
    assert [e.name for e in representatives(registry, simulated=True)] == ["many/named", "toy/net"]
    described = describe_card(next(iter(registry.backbones)))
    assert described["pattern"] == "many/*"
    assert "expand" not in described
    with pytest.raises(UsageError, match=r"many/<name> is a pattern; replace <name> with a name"):
        registry.backbones.get("many/<name>")


def test_names_that_the_plugin_does_not_know(registry: Registry) -> None:
    with pytest.raises(UsageError, match=r"many/unknown: no such network; did you mean many/one\?"):
        registry.backbones.get("many/unknown")
    with pytest.raises(
        PluginError,
        match=r"backbone many/broken of toy-dist 1.0 failed to make its card: RuntimeError: library missing",
    ):
        registry.backbones.get("many/broken")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("=cmd()", "it begins with ="),
        ("a\nb", "it holds a control character or a line break"),
        ("", "it has 0 characters"),
    ],
)
def test_names_in_memory_that_would_break_a_table_are_refused(registry: Registry, name: str, wrong: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"from_module(name={name!r}): {wrong}")):
        registry.with_backbones([toy.backbone(name)])


def test_settings_reach_them(registry: Registry) -> None:
    card = registry.backbones.get("many/one.two").card
    settings, changed = Assignments(["many/one.two.dtype=float32", "many.batch=3"]).resolve(card)
    assert (settings["dtype"], settings["batch"]) == ("float32", 3)
    assert set(changed) == {"dtype", "batch"}
