from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import toy

import brainbench
from brainbench import UsageError
from brainbench.plugins import Plugin, load_plugins
from brainbench.registry import PUBLISHED, Registry

GOOD = """
from brainbench import BackboneCard, hookimpl, lazy

@hookimpl
def register_backbones():
    return [BackboneCard(name="good/net", loader=lazy("nowhere:load"))]
"""


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.syspath_prepend(str(tmp_path))

    def go(**sources: str) -> dict[str, Plugin]:
        points = []
        for name, source in sources.items():
            (tmp_path / f"plug_{name}.py").write_text(source)
            points.append(EntryPoint(name, f"plug_{name}", "brainbench"))
        return {plugin.name: plugin for plugin in load_plugins(points)}

    yield go
    for module in [m for m in sys.modules if m.startswith("plug_")]:
        del sys.modules[module]


def test_one_broken_plugin_does_not_take_the_others_along(load) -> None:  # type: ignore[no-untyped-def]
    found = load(
        good=GOOD,
        raises="raise ValueError('bad\\nday')",
        exits="import sys; sys.exit(3)",
        missing="import no_such_library",
        wrong=GOOD.replace("register_backbones", "register_backbone"),
        notcards=GOOD.replace('BackboneCard(name="good/net", loader=lazy("nowhere:load"))', "'good/net'"),
        badname=GOOD.replace("good/net", "=cmd()/net"),
        hookraises=GOOD.replace("    return", "    raise OSError('no disk')\n    return"),
    )
    assert [card.name for card in found["good"].cards["backbones"]] == ["good/net"]
    assert found["good"].error is None
    errors = {name: plugin.error or "" for name, plugin in found.items()}
    assert errors["raises"] == "ValueError: bad day"
    assert errors["exits"] == "SystemExit: 3"
    assert "No module named 'no_such_library'" in errors["missing"]
    assert "register_backbone" in errors["wrong"]
    assert "the name '=cmd()/net': it begins with =" in errors["badname"]
    assert "register_backbones() must return BackboneCard objects, got 'good/net'" in errors["notcards"]
    assert errors["hookraises"] == "OSError: no disk"
    assert all(not plugin.cards for name, plugin in found.items() if name != "good")


def test_the_installed_built_ins_load() -> None:
    builtin = next(plugin for plugin in load_plugins() if plugin.name == "builtin")
    assert builtin.error is None
    assert {"pixels", "random"} <= {card.name for card in builtin.cards["backbones"]}


def _two_owners() -> Registry:
    one = Plugin("one", "dist-one", "1.0", {"backbones": (toy.backbone("x/net"), toy.backbone("x/own"))})
    two = Plugin("two", "dist-two", "2.0", {"backbones": (toy.backbone("x/net"),)})
    return Registry([one, two])


def test_two_cards_of_one_name_are_an_error_only_when_selected() -> None:
    registry = _two_owners()
    assert registry.backbones.get("x/own").plugin.distribution == "dist-one"
    assert [e.name for e in registry.backbones.match("x/*")] == ["x/own"]
    with pytest.raises(UsageError, match=r"'x/net' is offered by both dist-one 1.0 and dist-two 2.0: uninstall one"):
        registry.backbones.get("x/net")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("toy/nett", r"unknown backbone 'toy/nett' \(did you mean 'toy/net'\?\)"),
        ("toi", r"did you mean 'toy/net'"),
        ("tpy/net", r"did you mean 'toy/net'"),
        ("random/net", r"unknown backbone 'random/net'; `brainbench list"),
        ("clip/vit-b-16-openai", "it comes with: pip install brainbench-plugin-clip"),
        ("zzz", "`brainbench list backbones` shows them all"),
    ],
)
def test_an_unknown_name_says_what_is_close_or_what_to_install(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        toy.registry().backbones.get(name)


@pytest.mark.parametrize(
    ("kind", "name", "plugin"),
    [
        ("encoders", "ridge", "ridge"),
        ("metrics", "miou", "alignedcut"),
        ("metrics", "miou/aligned", "alignedcut"),
        ("encoders", "sae/neuron", "sae"),
        ("datasets", "nsd", "nsd"),
        ("datasets", "algonauts2023", "nsd"),
        ("engines", "slurm", "slurm"),
        ("engines", "dask", "dask"),
        ("backbones", "clip/mini", "clip"),
        ("backbones", "clip/*", "clip"),
    ],
)
def test_what_a_plugin_of_the_project_brings_says_what_to_install(kind: str, name: str, plugin: str) -> None:
    with pytest.raises(UsageError, match=f"it comes with: pip install brainbench-plugin-{plugin}$"):
        getattr(toy.registry(), kind).match(name)


def test_the_names_of_the_projects_plugins_are_those_of_their_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, dict[str, str]] = {kind: {} for kind in PUBLISHED}
    for project in sorted((Path(brainbench.__file__).parents[1] / "plugins").glob("*/pyproject.toml")):
        facts = tomllib.loads(project.read_text())["project"]
        monkeypatch.syspath_prepend(project.parent / "src")
        for module in facts["entry-points"]["brainbench"].values():
            hooks = import_module(module)
            for kind, families in found.items():
                cards = getattr(hooks, f"register_{kind}", list)()
                families |= {card.family: facts["name"].removeprefix("brainbench-plugin-") for card in cards}
    assert found == PUBLISHED


def test_an_unknown_name_of_a_broken_plugin_says_why_it_failed() -> None:
    broken = Plugin("sam", "brainbench-plugin-sam", "0.1", error="ImportError: no segment_anything")
    with pytest.raises(UsageError, match=r"brainbench-plugin-sam 0.1 failed to load: ImportError: no segment_anything"):
        Registry([broken]).backbones.get("sam/vit-b")


def test_a_metric_of_a_broken_plugin_says_why_it_failed() -> None:
    broken = Plugin("alignedcut", "brainbench-plugin-alignedcut", "0.1", error="ImportError: no sklearn")
    with pytest.raises(UsageError, match=r"brainbench-plugin-alignedcut 0.1 failed to load: ImportError: no sklearn"):
        Registry([broken]).metrics.get("miou")


def test_selections_keep_their_order_and_hold_nothing_twice() -> None:
    registry = toy.registry([toy.backbone("a/one"), toy.backbone("a/two"), toy.backbone("b/one")])
    assert [e.name for e in registry.backbones.select("b/one, a/*,a/one")] == ["b/one", "a/one", "a/two"]
    with pytest.raises(UsageError, match="no backbones selected"):
        registry.backbones.select(" , ")
    with pytest.raises(UsageError, match=r"no backbone matches 'c/\*'"):
        registry.backbones.select("c/*")
