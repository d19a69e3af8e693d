"""The HTML report: a folder of pages that open from disk, made from records and their arrays."""

from __future__ import annotations

from brainbench.report.folder import write_report

__all__ = ["write_report"]
