"""Records -> every file of a report: pages from templates, the data they paint, and pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from brainbench.leaderboard.markdown import NEXT_REAL, SIMULATED, explanations
from brainbench.leaderboard.render import Board, boards
from brainbench.plot.colours import brightness, layer_colours
from brainbench.plot.meshes import cortex
from brainbench.records import Record
from brainbench.report.assets import SCRIPTS, assets
from brainbench.report.bars import roi_bars
from brainbench.report.cortex import MESH, PALETTES, mesh_script, palette_style, panel, row_script
from brainbench.report.figures import CAPTIONS, pictures
from brainbench.report.provenance import failures, kept_nothing, provenance, studied
from brainbench.report.rows import Panel, ReportRow, report_rows
from brainbench.report.table import ceiling_row, roi_columns, summary, table_rows

_SHADES = 8  # of confidence, in the legend of the layer map


def render(records: Iterable[Record], results: Path) -> dict[Path, bytes]:
    """Return file name -> content of a report; results: the records' folder.

    The same records and arrays give the same bytes.
    """
    found = boards(records)
    sections = [Section(board, report_rows(board, results)) for some in found.values() for board in some]
    files: dict[Path, bytes] = {}
    templates = _templates()
    for section in sections:
        for row in section.rows:
            panels = row.panels()
            section.show(row, panels)
            stored = {one.name: panel(one.voxels) for one in panels}
            if any(one["means"] for one in stored.values()):
                files[Path(f"data/{row.slug}.js")] = row_script(row.slug, stored)
            files |= _row_page(templates, section, row, panels, stored)
    painted = any(section.painted for section in sections)
    shared: dict[str, Any] = {"scripts": SCRIPTS[:1], "root": "", "mesh": MESH if painted else None}
    files[Path("index.html")] = _bytes(templates, "index.html", sections=sections, **shared)
    comparable = [section for section in sections if section.comparable]
    if comparable:
        files[Path("compare.html")] = _bytes(
            templates, "compare.html", sections=comparable, **shared | {"scripts": SCRIPTS}
        )
    if painted:
        files[MESH] = mesh_script()
    return files | assets() | {PALETTES: palette_style()}


class Section:
    """One edition of a dataset as the pages show it. Several editions share an index."""

    def __init__(self, board: Board, rows: Sequence[ReportRow]) -> None:
        self.board, self.rows = board, rows
        edition = board.edition
        facts = edition.records[0].dataset
        self.name = edition.dataset
        self.title = facts.title if facts.title == facts.name else f"{facts.title} ({facts.name})"
        self.edition = " ".join(filter(None, (f"version {edition.version}", edition.settings)))
        self.anchor = re.sub(r"[^a-z0-9]+", "-", f"{self.title} {self.edition}".lower()).strip("-")
        self.simulated = SIMULATED if facts.simulated else ""
        self.next = NEXT_REAL
        self.table = dict(zip([row.slug for row in rows], table_rows(board), strict=True))
        self.ranked = [row for row in rows if not row.line.row.control]
        self.controls = [row for row in rows if row.line.row.control]
        self.rois = bool(roi_columns(board))
        self.comparable = any(row.painted for row in rows)
        self.ceiling = ceiling_row(board) if board.ceiling else ()
        self.explained = explanations(board)
        self.studied = studied(board)
        self.failures = failures(edition.records)
        # What rows that were shown have: whether voxels are on a mesh, and the choices of the comparison, panel name -> label.
        self.painted = False
        self.whose: dict[str, str] = {}
        self.compared: list[ReportRow] = []

    def show(self, row: ReportRow, panels: Sequence[Panel]) -> None:
        """Take note of what the page of a row shows."""
        self.painted |= any(cortex(one.voxels.surface, None) is not None for one in panels)
        self.whose |= {one.name: one.label for one in panels if one.voxels.count}
        if any(one.voxels.count for one in panels):
            self.compared.append(row)


def _row_page(
    templates: Environment,
    section: Section,
    row: ReportRow,
    panels: Sequence[Panel],
    stored: dict[str, dict[str, Any]],
) -> dict[Path, bytes]:
    files: dict[Path, bytes] = {}
    shown = []
    for number, one in enumerate(panels):
        names = {}
        painted = "vertex" in stored[one.name]
        for kind, content in pictures(one.voxels, first=number == 0, painted=painted).items():
            names[kind] = f"figures/{row.slug}-{number}-{kind}.png"
            files[Path(names[kind])] = content
        shown.append({"panel": one, "figures": names, "legend": _legend(one), **stored[one.name]})
    line = section.table[row.slug]
    files[Path(f"rows/{row.slug}.html")] = _bytes(
        templates,
        "row.html",
        root="../",
        scripts=SCRIPTS[:3],
        mesh=MESH if any("vertex" in one for one in stored.values()) else None,
        section=section,
        row=row,
        shown=shown,
        captions=CAPTIONS,
        summary=summary(line, section.board.columns),
        rois=roi_bars(section.board, row.line, line.figures),
        provenance=provenance(row),
        kept=kept_nothing(row, panels),
    )
    return files


def _legend(one: Panel) -> list[dict[str, Any]]:
    """Return the two-way colour bar of the layer map: one line per layer, colours from confidence 0 to 1."""
    if one.voxels.layer is None:
        return []
    shades = brightness(np.linspace(0, 1, _SHADES))
    colours = layer_colours(one.voxels.layer.shape[1])
    return [
        {
            "number": number + 1,
            "name": one.voxels.layers[number],
            "colours": ["#" + bytes((colour * shade * 255).round().astype("u1")).hex() for shade in shades],
        }
        for number, colour in enumerate(colours)
    ]


def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("brainbench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _bytes(templates: Environment, name: str, **content: Any) -> bytes:
    return templates.get_template(name).render(**content).encode()
