"""The report in a browser: nothing but files is asked for, nothing complains, and what can be driven does what it says."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fits import failed, fit
from painted import painted

from brainbench.report import write_report
from brainbench.results.store import write_record

pytestmark = pytest.mark.slow

CHROMIUM = os.environ.get("BRAINBENCH_CHROMIUM") or shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("no Chromium here: install one, or name it in BRAINBENCH_CHROMIUM", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="drives the browser; part of the extra [test]")

EVIL = '<script>document.title = "run"</script>'


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two backbones on a cortex and two subjects, one of which only scores are kept, one that failed, a second dataset."""
    folder = tmp_path_factory.mktemp("report")
    results = folder / "results"
    for name in ("net/a", "net/b"):
        for subject in ("1", "2"):
            painted(results, name, subject=subject, voxels=200)
    painted(results, EVIL, subject="1", kept=False)
    painted(results, EVIL, subject="2", kept=False)
    painted(results, "pixels", subject="1", kept=False, control=True)
    for record in (failed("net/c"), fit("net/d", 0.1)):
        record = replace(record, key=record.key[::-1], dataset=replace(record.dataset, name="moon", title="moon"))
        write_record(results, record)
    return write_report(results, folder / "report").parent


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM)
        yield found
        found.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A page that fails its test when anything but a file is asked for, or anything complains."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    trouble: list[str] = []
    page.on("request", lambda r: trouble.append(r.url) if not r.url.startswith(("file://", "data:,")) else None)
    page.on("requestfailed", lambda r: trouble.append(f"failed: {r.url}"))
    page.on("console", lambda m: trouble.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: trouble.append(str(e)))
    yield page
    context.close()
    assert not trouble


def row(report: Path, start: str) -> str:
    return next(p for p in sorted((report / "rows").iterdir()) if p.name.startswith(start)).as_uri()


def names(tab: Any) -> list[str]:
    return [t.strip() for t in tab.locator("table.board").first.locator("tbody tr:visible th a").all_inner_texts()]


def test_every_page_opens_and_fits_a_phone(report: Path, tab: Any) -> None:
    pages = sorted(report.rglob("*.html"))
    assert len(pages) == 8
    for width in (1440, 390):
        tab.set_viewport_size({"width": width, "height": 844})
        for page in pages:
            tab.goto(page.as_uri())
            assert tab.title() != "run"
            wide = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{page.name} at {width}"
            unnamed = tab.evaluate("[...document.images].filter(i => !i.alt || !i.naturalWidth).length")
            assert unnamed == 0


def test_the_leaderboard_sorts_by_keyboard_and_filters(report: Path, tab: Any) -> None:
    tab.goto((report / "index.html").as_uri())
    first = names(tab)
    assert sorted(first) == sorted(["net/a", "net/b", EVIL])
    button = tab.get_by_role("button", name="backbone").first
    button.focus()
    tab.keyboard.press("Enter")
    heading = tab.locator("th", has=button).first
    assert heading.get_attribute("aria-sort") == "ascending"
    assert names(tab) == [EVIL, "net/a", "net/b"]
    tab.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert names(tab) == ["net/b", "net/a", EVIL]
    tab.get_by_role("button", name="EBA").first.click()
    values = (
        tab.locator("table.board")
        .first.locator("tbody tr")
        .evaluate_all(
            "rows => rows.map(r => parseFloat([...r.cells].find(c => c.title.startsWith('EBA')).dataset.value))"
        )
    )
    assert values == sorted(values, reverse=True)
    assert heading.get_attribute("aria-sort") is None
    tab.get_by_label("Filter rows").first.fill("NET/ b")
    assert names(tab) == ["net/b"]
    assert tab.locator("#found-1").inner_text() == "1 of 4 rows"


def test_the_theme_follows_the_system_and_the_switch(report: Path, tab: Any) -> None:
    tab.goto((report / "index.html").as_uri())
    paper = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(paper)
    tab.emulate_media(color_scheme="dark")
    dark = tab.evaluate(paper)
    assert dark != light
    tab.locator("#theme").click()
    assert tab.evaluate(paper) == light
    tab.goto(row(report, "data-net-a"))
    assert tab.evaluate(paper) == light, "the switch is remembered"


def test_tabs_open_by_arrow_keys_and_paint_their_maps(report: Path, tab: Any) -> None:
    tab.goto(row(report, "data-net-a"))
    tabs = tab.get_by_role("tab")
    assert tabs.all_inner_texts() == ["Average of 2 subjects", "Subject 1", "Subject 2"]
    tabs.first.focus()
    tab.keyboard.press("ArrowRight")
    assert tab.locator("[role=tab][aria-selected=true]").inner_text() == "Subject 1"
    panels = tab.locator("[role=tabpanel]")
    assert [panels.nth(i).is_visible() for i in range(3)] == [False, True, False]
    colours = "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size"
    for canvas in panels.nth(1).locator("canvas").all():
        assert canvas.evaluate(colours) > 20
    tab.keyboard.press("End")
    assert panels.nth(2).is_visible()


def over_a_voxel(tab: Any, canvas: Any) -> list[str]:
    """Move the pointer over a canvas until it says a voxel; what it says."""
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    for down in range(1, 20):
        for right in range(1, 20):
            tab.mouse.move(box["x"] + box["width"] * right / 20, box["y"] + box["height"] * down / 20)
            if tab.locator("#tip").is_visible() and "layer" in (said := tab.locator("#tip").inner_text()):
                return said.splitlines()
    return []


def test_the_pointer_says_vertex_roi_layer_and_figures(report: Path, tab: Any) -> None:
    tab.goto(row(report, "data-net-a"))
    tab.get_by_role("button", name="left, outside").first.click()
    for canvas in (tab.locator("canvas[data-map=layers]").first, tab.locator(".solid canvas").first):
        said = over_a_voxel(tab, canvas)
        assert re.fullmatch(r"(left|right) vertex \d+", said[0])
        assert said[1] in ("ROI V1", "ROI EBA")
        assert re.fullmatch(r"layer [123]: (first|second|third)", said[2])
        assert [line.split()[0] for line in said[3:]] == ["confidence", "scale", "R2"]
        # What is said is what was stored of that vertex.
        right, vertex = said[0].startswith("right"), int(said[0].split()[-1])
        value = tab.evaluate(
            """([right, vertex]) => {
                const panel = brainbench.maps.unpack(Object.values(brainbench.rows)[0].all);
                const i = panel.place.findIndex((_, k) => panel.vertex[k] === vertex && panel.right[k] == right);
                return panel.values.r2[i];
            }""",
            [right, vertex],
        )
        assert float(said[5].split()[1]) == pytest.approx(value, abs=6e-4)


def test_the_cortex_turns_by_keys_drag_and_buttons(report: Path, tab: Any) -> None:
    tab.goto(row(report, "data-net-a"))
    canvas = tab.locator(".solid canvas").first
    seen = {canvas.get_attribute("data-view"): canvas.evaluate("c => c.toDataURL()")}

    def turned() -> None:
        tab.wait_for_function("v => document.querySelector('.solid canvas').dataset.view !== v", arg=[*seen][-1])
        picture = canvas.evaluate("c => c.toDataURL()")
        assert picture not in seen.values()
        seen[canvas.get_attribute("data-view")] = picture

    canvas.focus()
    tab.keyboard.press("ArrowRight")
    turned()
    tab.keyboard.press("+")
    turned()
    box = canvas.bounding_box()
    tab.mouse.move(box["x"] + 200, box["y"] + 200)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 320, box["y"] + 240, steps=3)
    tab.mouse.up()
    turned()
    tab.get_by_role("button", name="left, outside").first.click()
    turned()
    assert tab.locator(".solid [name=side]").first.input_value() == "left"
    before = canvas.evaluate("c => c.toDataURL()")
    tab.locator(".solid [name=kind]").first.select_option("r2")
    tab.wait_for_function("v => document.querySelector('.solid canvas').toDataURL() !== v", arg=before)


def test_any_two_are_compared(report: Path, tab: Any) -> None:
    tab.goto((report / "compare.html").as_uri())
    table = tab.locator("tbody tr").first
    table.wait_for()
    grid = table.locator("td").all_inner_texts()
    assert float(grid[0]) - float(grid[1]) == pytest.approx(float(grid[2]), abs=2e-3)
    chosen = [tab.locator(f"[name={n}] option:checked").inner_text() for n in ("first", "second")]
    assert len(set(chosen)) == 2
    assert tab.locator("[data-caption=difference]").inner_text().startswith(f"{chosen[0]} less {chosen[1]}: ")
    picture = "document.querySelector('canvas[data-side=difference]').toDataURL()"
    before = tab.evaluate(picture)
    tab.locator("[name=kind]").select_option("r2")
    tab.wait_for_function(f"v => {picture} !== v", arg=before)
    tab.locator("[name=second]").select_option(index=0)
    tab.wait_for_function(
        "() => [...document.querySelectorAll('tbody tr')].every(r => r.cells[3].textContent === '0.000')"
    )
    # A row less itself: nothing is left but the least that the colour bar spans.
    assert tab.locator(".high").inner_text() == "+0.01"
    tab.locator("[name=panel]").select_option("subject 2")
    assert tab.locator(".said").inner_text() == ""


def test_without_a_mesh_every_voxel_is_a_point(tmp_path: Path, tab: Any) -> None:
    for name in ("net/a", "net/b"):
        painted(tmp_path / "results", name, surface=False, voxels=10)
    tab.goto((write_report(tmp_path / "results", tmp_path / "report").parent / "compare.html").as_uri())
    canvas = tab.locator("canvas")
    tab.wait_for_function("() => document.querySelector('canvas').dataset.points === '20'")
    before = canvas.evaluate("c => c.toDataURL()")
    tab.locator("[name=kind]").select_option("scale")
    tab.wait_for_function("v => document.querySelector('canvas').toDataURL() !== v", arg=before)
    tab.goto(row(tmp_path / "report", "data-net-a"))
    assert tab.locator("canvas").count() == 0
    assert tab.get_by_role("heading", name="R2 by ROI").is_visible()
