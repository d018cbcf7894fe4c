# SPDX-License-Identifier: Apache-2.0
"""A report as data, and the same as one HTML page, as Markdown, and as files of figures and tables."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from zprl_core.run_folder import make_folder, write_text
from zprl_core.tables import markdown, write_csv

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 1180px;
  margin: 0 auto; padding: 20px }
h1 { font-size: 1.6em; margin: 0 0 .2em }
h2 { font-size: 1.2em; margin-top: 2.2em; border-bottom: 1px solid #ccc }
table { border-collapse: collapse; margin: .6em 0; font-variant-numeric: tabular-nums }
caption { text-align: left; color: #444; padding-bottom: 4px }
th, td { padding: 3px 12px 3px 0; text-align: left; vertical-align: top; border-bottom: 1px solid #e4e4e4 }
th { font-size: .85em; color: #444 } figure { margin: 1em 0 } figcaption { color: #444; font-size: .92em }
img { max-width: 100%; height: auto } .scroll { overflow-x: auto }
.caution { border-left: 4px solid #d55e00; padding: 2px 0 2px 12px }
nav ul { columns: 2; font-size: .92em; margin: 1em 0; padding-left: 1.2em } .whole { white-space: nowrap }
.wide .whole { display: block } nav a { color: #0b5394 } code { font-size: .9em }
@media print { body { max-width: none; padding: 0; font-size: 10pt } nav { display: none }
  h2 { break-after: avoid }
  th, td { padding-right: 6px } td { overflow-wrap: anywhere }
  .whole { white-space: normal } .scroll { overflow: visible } table { font-size: 7.5pt }
  thead { display: table-header-group } figure, tr { break-inside: avoid }
  a { color: inherit; text-decoration: none } }
"""


@dataclass(frozen=True)
class Table:
    """Rows under a header; `name` is its file. Where it is wide, intervals stand under their values."""

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Figure:
    """A PNG in the report's folder, what it shows, and the same in words for who cannot see it."""

    file: str
    caption: str


@dataclass(frozen=True)
class Caution:
    """What cannot be concluded."""

    text: str


Part = str | Table | Figure | Caution


@dataclass(frozen=True)
class Section:
    """A heading with what belongs under it, in order; a text is a paragraph."""

    title: str
    parts: Sequence[Part] = field(default_factory=tuple)


@dataclass(frozen=True)
class Document:
    """The whole report."""

    title: str
    lead: Sequence[Part]
    sections: Sequence[Section]

    def write(self, out: Path) -> Path:
        """Write report.html with its figures inside, report.md, and tables/*.csv; returns the page.

        Args:
            out: folder that holds the figures already.
        """
        make_folder(out / "tables")
        for section in self.sections:
            for part in section.parts:
                if isinstance(part, Table):
                    rows = [dict(zip(part.header, row, strict=True)) for row in part.rows]
                    write_csv(out / "tables" / f"{part.name}.csv", rows)
        write_text(out / "report.md", self.markdown())
        write_text(out / "report.html", self.html(out))
        return out / "report.html"

    def markdown(self) -> str:
        """For a repository: figures are links."""
        parts = [f"# {self.title}\n", *map(_markdown, self.lead)]
        for section in self.sections:
            parts += [f"## {section.title}\n", *map(_markdown, section.parts)]
        return "\n".join(parts)

    def html(self, out: Path) -> str:
        """For people: one file without anything beside it."""
        links = "".join(f'<li><a href="#{_slug(s.title)}">{escape(s.title)}</a></li>' for s in self.sections)
        parts = [f"<h1>{escape(self.title)}</h1>", *(_html(part, out) for part in self.lead)]
        parts.append(f"<nav><ul>{links}</ul></nav>")
        for section in self.sections:
            parts.append(f'<h2 id="{_slug(section.title)}">{escape(section.title)}</h2>')
            parts += [_html(part, out) for part in section.parts]
        meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        head = f"<head>{meta}<title>{escape(self.title)}</title><style>{_STYLE}</style></head>"
        return f'<!doctype html><html lang="en">{head}<body>{"".join(parts)}</body></html>\n'


_INTERVAL = re.compile(r"\[[-+.\d]+, [-+.\d]+\]")


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _markdown(part: Part) -> str:
    match part:
        case Table():
            caption = f"{part.caption}\n\n" if part.caption else ""
            return caption + markdown(part.header, part.rows)
        case Figure():
            return f"![{part.file}]({part.file})\n\n{part.caption}\n"
        case Caution():
            return f"> **Note.** {part.text}\n"
        case _:
            return f"{part}\n"


def _html(part: Part, out: Path) -> str:
    match part:
        case Table():
            caption = f"<caption>{_inline(part.caption)}</caption>" if part.caption else ""
            head = "".join(f'<th scope="col">{_inline(cell)}</th>' for cell in part.header)
            body = "".join(
                f"<tr>{''.join(f'<td>{_inline(cell)}</td>' for cell in row)}</tr>" for row in part.rows
            )
            kind = ' class="wide"' if part.wide else ""
            table = f"<table{kind}>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            return f'<div class="scroll">{table}</div>'
        case Figure():
            data = base64.b64encode((out / part.file).read_bytes()).decode()
            image = f'<img alt="{escape(part.caption)}" src="data:image/png;base64,{data}">'
            return f"<figure>{image}<figcaption>{_inline(part.caption)}</figcaption></figure>"
        case Caution():
            return f'<p class="caution">{_inline(part.text)}</p>'
        case _:
            return f"<p>{_inline(part)}</p>"


def _inline(text: str) -> str:
    """Escaped; what stands in backticks is code, and an interval is not broken."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
    return _INTERVAL.sub(r'<span class="whole">\g<0></span>', text)
