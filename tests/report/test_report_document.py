# SPDX-License-Identifier: Apache-2.0
"""The page, its Markdown and its tables say the same, whatever runs are called."""

from __future__ import annotations

import base64
import csv
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zprl_core.report.document import Caution, Document, Figure, Section, Table
from zprl_core.tables import markdown, write_csv

EVIL = "<script>alert('x')</script> & \"run\""
VOID = {"meta", "img", "br"}


class Checked(HTMLParser):
    """Tags that are opened and closed in order, ids, links, and what is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.shown: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        given = {name: value or "" for name, value in attrs}
        assert len(given) == len(attrs)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[name] for name in ("href", "src") if name in given]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.shown.append(data)


def checked(page: str) -> Checked:
    """Parse a page; its tags are balanced, its ids single, its links inside."""
    found = Checked()
    found.feed(page)
    found.close()
    assert found.open == [] and len(set(found.ids)) == len(found.ids)
    for link in found.links:
        assert link.startswith("data:image/png;base64,") or link.removeprefix("#") in found.ids, link
    assert not re.search(r"https?:|//[a-z]", re.sub(r"base64,[^\"]*", "", page))
    return found


@pytest.fixture
def document(tmp_path: Path) -> Document:
    cv2.imwrite(str(tmp_path / "picture.png"), np.zeros((4, 6, 3), np.uint8))
    table = Table("rates", ["run", "success"], [[EVIL, "0.50 [0.19, 0.81] of 6"], ["a|b", "-"]], f"of {EVIL}")
    sections = [
        Section("Rates & more", [table, Caution(EVIL), "text with `code <b>`"]),
        Section("Figures", [Figure("picture.png", f"what {EVIL} did")]),
        Section("Nothing"),
    ]
    return Document(f"Report of {EVIL}", ["lead", Caution("doubt")], sections)


def test_the_page_is_whole_and_escaped(document: Document, tmp_path: Path) -> None:
    page = document.write(tmp_path).read_text()
    found = checked(page)
    assert "script" not in found.seen and page.startswith("<!doctype html>")
    assert "".join(found.shown).count(EVIL) == 6  # title, heading, caption, cell, caution, figure
    assert found.seen.count("tr") == 3 and found.seen.count("h2") == 3 and found.seen.count("code") == 1
    (image,) = (link for link in found.links if link.startswith("data:"))
    assert base64.b64decode(image.partition(",")[2]) == (tmp_path / "picture.png").read_bytes()
    assert '<span class="whole">[0.19, 0.81]</span>' in page


def test_markdown_has_the_same(document: Document, tmp_path: Path) -> None:
    document.write(tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "| a\\|b | - |" in text and "> **Note.** doubt" in text
    assert "![picture.png](picture.png)" in text and "## Rates & more" in text


def test_a_csv_is_its_table(document: Document, tmp_path: Path) -> None:
    document.write(tmp_path)
    with (tmp_path / "tables" / "rates.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["run", "success"], [EVIL, "0.50 [0.19, 0.81] of 6"], ["a|b", "-"]]


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), max_size=4))
def test_any_cell_survives(rows: list[tuple[str, str]]) -> None:
    """In the page as it is, in Markdown with as many columns as the header has."""
    page = Document("t", [], [Section("s", [Table("x", ["a", "b"], rows)])]).html(Path())
    shown = "".join(checked(page).shown)
    assert all(cell.replace("`", "") in shown.replace("`", "") for row in rows for cell in row)
    lines = markdown(["a", "b"], rows).removesuffix("\n").split("\n")
    assert len(lines) == 2 + len(rows)
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in lines)


def test_a_cell_of_several_lines_stays_a_cell() -> None:
    assert markdown(["a"], [["x\ny"]]) == "| a |\n| --- |\n| x y |\n"


def test_columns_that_only_some_rows_have(tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", [{"a": 1}, {"b": "2,3", "a": 4}])
    assert (tmp_path / "x.csv").read_text() == 'a,b\n1,\n4,"2,3"\n'
