"""The HTML report: a folder of pages that open from disk, from records and what is kept beside them."""

from __future__ import annotations

from brainbench.report.folder import write_report

__all__ = ["write_report"]
