# SPDX-License-Identifier: Apache-2.0
"""What is in a dataset, as one web page without anything beside it, and a sheet of pictures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from zprl_core.data import charts
from zprl_core.data.describing import facts
from zprl_core.data.episode import EpisodeInfo
from zprl_core.data.features import Outlier, all_features, outliers
from zprl_core.data.projection import Matrix
from zprl_core.data.reading import StoredDataset
from zprl_core.data.sheet import SHARES, chosen, contact_sheet, jpeg, strip
from zprl_core.errors import DataError
from zprl_core.run_folder import make_folder, write_text

SHOWN = 60
"""Episodes whose pictures are shown, those that stand out first."""
LISTED = 20
"""Outliers that are listed."""
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #fff; max-width: 1080px;
  margin: 0 auto; padding: 16px }
h1 { font-size: 1.5em; margin-bottom: 0 } h2 { font-size: 1.15em; margin-top: 2em }
table { border-collapse: collapse } th { text-align: left; font-weight: 600; font-size: .85em; color: #555 }
td, th { padding: 3px 14px 3px 0; vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 18px }
dt { color: #555 } dd { margin: 0 }
img { max-width: 100%; height: auto; vertical-align: middle }
.strip { width: 100% } .strip img { margin: 1px; width: calc(20% - 4px) }
.note { color: #555 } .scroll { overflow-x: auto }
"""


def write_page(
    dataset: StoredDataset,
    page: Path,
    *,
    overwrite: bool = False,
    projections: Mapping[str, Matrix] | None = None,
) -> Path | None:
    """Write the page, and the sheet beside it; returns the sheet's path, None without cameras.

    Args:
        dataset, page: what, and where to.
        overwrite: replace what is there.
        projections: where cameras see the first arm's base frame; ways are drawn into their pictures.

    Raises:
        DataError: the page or the sheet is there already without `overwrite`, `page` does not end in .html,
            a projection of a camera that the dataset does not have, or an episode of formats 1 or 2 that
            cannot be read.
    """
    if page.suffix.lower() not in (".html", ".htm"):
        raise DataError(f"{page}: must end in .html; the sheet of pictures goes beside it, as .png")
    sheet = page.with_suffix(".png")
    used = [path for path in (page, sheet) if path.exists()]
    if used and not overwrite:
        raise DataError(f"{used[0]}: exists. Choose another --out, or give --overwrite")
    projections = projections or {}
    if unknown := set(projections) - set(dataset.header.cameras):
        raise DataError(f"camera '{min(unknown)}': {dataset.folder} has {', '.join(dataset.header.cameras)}")
    make_folder(page.absolute().parent)
    unlike = outliers(all_features(dataset.header, dataset))
    shown = chosen(len(dataset), [each.episode for each in unlike], SHOWN)
    write_text(page, _html(dataset, unlike, shown, projections))
    if not dataset.header.cameras:
        return None
    sheet.write_bytes(contact_sheet([(_label(dataset, n), strip(dataset.episode(n))) for n in shown]))
    return sheet


def _html(
    dataset: StoredDataset, unlike: Sequence[Outlier], shown: Sequence[int], projections: Mapping[str, Matrix]
) -> str:
    title = f"{dataset.folder.absolute().name}, task {dataset.header.task}"
    marked = [each.episode for each in unlike[:LISTED]]
    ways = charts.ways(dataset, marked)
    parts = [
        f"<h1>{escape(title)}</h1>",
        _facts(dataset),
        _section("Episodes unlike the others", _unlike(dataset, unlike)),
        _section("The tool's way", _ways(ways) + _seen(dataset, ways, projections)),
        _section("Durations and gaps", _picture("durations and gaps", charts.durations(dataset))),
        _section("Actions", _actions(dataset)),
        _section("Episodes", _episodes(dataset, shown)),
    ]
    meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head = f"<head>{meta}<title>{escape(title)}</title><style>{_STYLE}</style></head>"
    return f'<!doctype html><html lang="en">{head}<body>{"".join(parts)}</body></html>\n'


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>{content}"


def _facts(dataset: StoredDataset) -> str:
    rows = [line.split(maxsplit=1) for line in facts(dataset)[1:]]
    return f"<dl>{''.join(f'<dt>{escape(key)}</dt><dd>{escape(value)}</dd>' for key, value in rows)}</dl>"


def _unlike(dataset: StoredDataset, unlike: Sequence[Outlier]) -> str:
    if not unlike:
        return '<p class="note">None stands out in duration, way, speed, beginning, end, or gaps.</p>'
    rows = [
        f'<tr><td><a href="#e{each.episode}">{each.episode}</a></td>'
        f"<td>{_outcome(dataset.infos[each.episode])}</td><td>{escape(each.feature)}</td>"
        f'<td class="n">{each.value:.3g}</td><td class="n">{each.median:.3g}</td>'
        f'<td class="n">{each.score:.1f}</td></tr>'
        for each in unlike[:LISTED]
    ]
    heads = ("episode", "outcome", "in what", "value", "median", "deviations")
    more = f'<p class="note">And {len(unlike) - LISTED} more.</p>' if len(unlike) > LISTED else ""
    return f'<div class="scroll"><table>{_head(heads)}{"".join(rows)}</table></div>{more}'


def _ways(ways: bytes | None) -> str:
    if ways is None:
        return '<p class="note">The actions of this dataset are no poses.</p>'
    note = (
        "Where the arm was told to be, in its base frame. Circle: beginning; square: end; numbers: the "
        "episodes above."
    )
    return f'<p class="note">{note}</p>{_picture("ways of the tool", ways)}'


def _seen(dataset: StoredDataset, ways: bytes | None, projections: Mapping[str, Matrix]) -> str:
    if ways is None:
        return ""
    return "".join(
        f'<p class="note">As {escape(camera)} sees it, over the mean of all first pictures.</p>'
        f"{_picture(f'ways in {camera}', charts.in_picture(dataset, camera, matrix))}"
        for camera, matrix in projections.items()
    )


def _actions(dataset: StoredDataset) -> str:
    note = "Shares of all ticks, by outcome; each outline has the same area."
    return f'<p class="note">{note}</p>{_picture("histograms of actions", charts.histograms(dataset))}'


def _episodes(dataset: StoredDataset, shown: Sequence[int]) -> str:
    at = ", ".join(f"{100 * share:.0f} %" for share in SHARES)
    some = "" if len(shown) == len(dataset) else f" {len(shown)} of {len(dataset)} episodes are shown."
    rows = [_episode(dataset, number) for number in shown]
    heads = _head(("episode", "outcome", "s", f"pictures at {at}"))
    return f'<p class="note">{some}</p><div class="scroll"><table>{heads}{"".join(rows)}</table></div>'


def _episode(dataset: StoredDataset, number: int) -> str:
    info = dataset.infos[number]
    pictures = strip(dataset.episode(number)) if dataset.header.cameras else []
    images = "".join(_image("image/jpeg", jpeg(each), f"episode {number}") for each in pictures)
    notes = "".join(f'<br><span class="note">{escape(each)}</span>' for each in (info.source, *info.repairs))
    return (
        f'<tr id="e{number}"><td>{number}</td><td>{_outcome(info)}</td>'
        f'<td class="n">{info.length / dataset.header.rate_hz:.1f}</td>'
        f'<td class="strip">{images}{notes}</td></tr>'
    )


def _label(dataset: StoredDataset, number: int) -> str:
    info = dataset.infos[number]
    return f"{number}  {info.outcome}  {info.length / dataset.header.rate_hz:.1f} s"


def _outcome(info: EpisodeInfo) -> str:
    colour, _, sign = charts.STYLES[info.outcome]
    return f'<span style="color:{colour};white-space:nowrap">{sign} {info.outcome}</span>'


def _head(names: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in names)}</tr>"


def _picture(name: str, png: bytes) -> str:
    return _image("image/png", png, name)


def _image(kind: str, data: bytes, name: str) -> str:
    return f'<img alt="{escape(name)}" src="data:{kind};base64,{base64.b64encode(data).decode()}">'
