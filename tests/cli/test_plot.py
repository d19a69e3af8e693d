from __future__ import annotations

from pathlib import Path

import pytest
from cortices import planted, record, table, write_fit
from PIL import Image

from brainbench.cli import main
from brainbench.plot import KINDS
from brainbench.util.hashing import digest


def plot(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["plot", *arguments])
    return int(end.value.code or 0)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for subject in ("1", "2"):
        write_fit(tmp_path / "results", record(subject), table())
        write_fit(tmp_path / "results", record(subject, "toy/other"), table())
    for name in ("toy/net", "toy/other"):
        write_fit(tmp_path / "mesh", record(backbone=name), planted())
    return tmp_path / "results"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_written(kind: str, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plot(kind, "toy/net", "--subject", "1") == 0
    assert capsys.readouterr().out == f"wrote {kind}-toy-net.png\n"
    with Image.open(f"{kind}-toy-net.png") as image:
        assert image.width == 1440


@pytest.mark.parametrize("kind", ["layers", "r2"])
def test_two_backbones_are_compared(kind: str, results: Path) -> None:
    assert plot(kind, "toy/net", "--against", "toy/other") == 0
    assert Path(f"{kind}-toy-net-toy-other.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize("names", ["toy/net,toy/other", "toy/*"])
def test_several_backbones_side_by_side(names: str, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plot("layers", names, "--results", "mesh") == 0
    assert capsys.readouterr().out == "wrote layers-side-by-side.png\n"


@pytest.mark.slow
def test_on_a_mesh_it_is_drawn_on_the_cortex(results: Path) -> None:
    assert plot("layers", "toy/net", "--results", "mesh", "--out", "new/a.svg") == 0
    assert "left hemisphere" in Path("new/a.svg").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["embedding", "toy/net"], "'embedding' is not one of"),
        (["layers", "toy/nut"], "did you mean 'toy/net'?"),
        (["layers", "toy/net", "--out", "a.gif"], "a.gif: allowed endings are .pdf, .png, .svg"),
        (["scale", "toy/net", "--against", "toy/other"], "scale has no difference map; choose layers, r2"),
        (["layers", "toy/net", "--results", "mesh", "--surface", "nowhere"], "--surface nowhere: no inflated surface"),
        (
            ["scale", "toy/*"],
            "toy/*: 2 backbones; only these kinds can be drawn side by side, without --against: layers, r2",
        ),
        (["layers", "toy/net,toy/nut", "--results", "mesh"], "did you mean 'toy/net'?"),
        (["clusters", "toy/net"], "choose one with --subject"),
        (["layers", "toy/net", "--results", "nothing"], "nothing: no fitted records"),
        (
            ["layers", "toy/net", "--out", f"results/{digest(['toy/net', '1'])}.json/a.png"],
            "choose another folder with --out",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_is_one_line(
    arguments: list[str], message: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plot(*arguments) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_help_shows_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert plot("--help") == 0
    told = capsys.readouterr().out
    for name, kind in KINDS.items():
        assert f"{name:<12} {kind.about}" in told
