"""What may be a name, and how any text looks in Markdown."""

from __future__ import annotations

import markdown
import pytest

from brainbench.util.texts import markdown_line, markdown_text, misnamed, one_line


@pytest.mark.parametrize("name", ["net/a", "hf//data/a,b [v2]", "étude", "V1|V2", "<script>", "9", "a" * 1000])
def test_names(name: str) -> None:
    assert misnamed(name) is None


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("", "it has 0 characters, allowed are 1 to 1000"),
        ("a" * 1001, "it has 1001 characters"),
        ("a\nb", "a control character or a line break"),
        ("a\u2028b", "a control character or a line break"),
        ("a\udcff", "a control character or a line break"),
        ("=cmd()", "begins with =, which spreadsheets take for a formula"),
        (" a", "begins or ends with a space"),
    ],
)
def test_no_names(name: str, wrong: str) -> None:
    assert wrong in (misnamed(name) or "")


@pytest.mark.parametrize(
    "text",
    ["a|b", "<b>x</b>", "**x**", "*x*", "`x`", "[x](http://y)", "![x](y)", "&lt;", "&amp", "a\\b", "\\|", "# x", "- x", "1. x", "> x", "a_b_c"],
)  # fmt: skip
def test_markdown_shows_the_text_as_it_is(text: str) -> None:
    shown = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert markdown.markdown(markdown_line(text), extensions=["tables"]) == f"<p>{shown}</p>"
    table = f"| a | b |\n|---|---|\n| {markdown_text(text)} | 1 |"
    assert f"<td>{shown}</td>\n<td>1</td>" in markdown.markdown(table, extensions=["tables"])


def test_one_line() -> None:
    assert one_line("a\r\n  b\x00\u2028c ") == "a b c"
