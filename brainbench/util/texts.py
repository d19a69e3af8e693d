"""Texts of others: which may be names, and how they look in a table, whatever signs they hold."""

from __future__ import annotations

import re
import unicodedata

# More than any name of a hub or a path of a folder.
LONGEST = 1000
# Control signs, halves of surrogate pairs, and what ends a line or a paragraph.
_UNSEEN = {"Cc", "Cs", "Zl", "Zp"}
# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@")
_MARKS = re.compile(r"[\\|*`\[\]]")
_BLOCK = re.compile(r"^(\d*)([.)#>+=~-])")
_ENTITY = re.compile(r"&(?=#?\w+;)")


def misnamed(name: str) -> str | None:
    """Say what is wrong with a name or title; None if nothing is."""
    if not 0 < len(name) <= LONGEST:
        return f"it has {len(name)} characters, allowed are 1 to {LONGEST}"
    if any(unicodedata.category(sign) in _UNSEEN for sign in name):
        return "it holds a control character or a line break"
    if name.startswith(_FORMULA):
        return f"it begins with {name[0]}, which spreadsheets take for a formula"
    return "it begins or ends with a space" if name != name.strip() else None


def one_line(text: str) -> str:
    """Return a text without line breaks and control characters."""
    return " ".join("".join(" " if unicodedata.category(sign) in _UNSEEN else sign for sign in text).split())


def markdown_text(text: str) -> str:
    """Return a text that Markdown shows as it is: no mark-up, no HTML, no further cell of a table, no further line."""
    text = _MARKS.sub(lambda found: f"\\{found[0]}", one_line(text))
    return _ENTITY.sub("&amp;", text).replace("<", "&lt;")


def markdown_line(text: str) -> str:
    """Return the same as a line or an item of its own, which begins no heading, list or quotation."""
    return _BLOCK.sub(lambda found: f"{found[1]}\\{found[2]}", markdown_text(text))
