"""The report of an evaluation: one page that needs no network, figures and tables inside.

It begins with the answer to what a user asks. All methods follow, and the paper's figures in a section of their own.
"""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from evaluation.ranking.judging import DETECTION, HEADLINE, RANKING, Measure, best_methods, measures
from evaluation.report.answer import HEADING, Answer
from evaluation.report.paper import DEEP_SVDD, GNSM, IMAGES, TOP, Published, with_published

_STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")

EMBEDDED_WIDTH = 2600
"""Pixels of the widest picture inside the page; its file has them all."""


ReportTable = tuple[str, str, Sequence[Mapping[str, Any]]]
"""Heading, caption and rows, every row with the same keys."""


@dataclass(frozen=True)
class Picture:
    """A PNG file for the report, with heading, caption and alternative text.

    `of_paper` are those that repeat a figure of the paper.
    """

    path: Path
    heading: str
    caption: str
    of_paper: bool = False


@dataclass(frozen=True)
class Report:
    """What the page shows.

    Attributes
    ----------
    title : str
    answer : Answer
        What the page begins with.
    facts : sequence of str
        Sentences on how it was measured.
    rows : sequence of dict
        Of `evaluation.ranking.judging.judge`, the method on trial first.
    groups, needs : mapping of str to str
        By method.
    absent : mapping of str to str
        Methods without scores, and why.
    published : mapping of str to Published
        By method: what the paper reports for it.
    pictures : sequence of Picture
    tables : sequence of ReportTable
        Further tables.
    top, threshold
        See `evaluation.ranking.judging.measures`.
    undefined : sequence of str
        Of `evaluation.ranking.undefined.undefined_notes`: why figures are missing.
    """

    title: str
    answer: Answer
    facts: Sequence[str]
    rows: Sequence[Mapping[str, Any]]
    groups: Mapping[str, str]
    needs: Mapping[str, str]
    absent: Mapping[str, str]
    published: Mapping[str, Published]
    pictures: Sequence[Picture]
    tables: Sequence[ReportTable]
    top: int
    threshold: float
    undefined: Sequence[str] = ()


def render_report(report: Report) -> str:
    """The page as a string."""
    parts = [f"<h1>{_text(report.title)}</h1>", *_opening(report)]
    for picture in report.pictures:
        if not picture.of_paper:
            parts += _figure(picture)
    parts += ["<h2>All methods</h2>", f"<p class=dim>{_SMALL_PRINT}</p>"]
    for group, caption in (
        (
            DETECTION,
            f"Failures are images with a Dice below {report.threshold:g}.",
        ),
        (
            RANKING,
            "All images. AURC, e-AURC and AUGRC are mean risks (1 - Dice): smaller is better. The partial correlation "
            "asks what a score knows beyond how complicated a mask is.",
        ),
    ):
        parts += _method_table(report, group, report.rows, caption)
    if report.undefined:
        parts += ["<h2>Figures without a value</h2><ul>", *(f"<li>{_text(note)}" for note in report.undefined), "</ul>"]
    for heading, caption, lines in report.tables:
        parts += [f"<h2>{_text(heading)}</h2>", f"<p class=dim>{_text(caption)}</p>", _plain_table(lines)]
    parts += [
        "<h2>What each method needs</h2>",
        _plain_table([{"method": name, "needs": need} for name, need in report.needs.items()]),
    ]
    if report.absent:
        lines = [{"method": name, "why": why} for name, why in report.absent.items()]
        parts += ["<h2>Not judged</h2>", _plain_table(lines)]
    parts += _paper(report)
    head = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    body = "\n".join(parts)
    return f"{head}<title>{_text(report.title)}</title><style>\n{_STYLE}</style><body>{body}</body></html>\n"


_SMALL_PRINT = (
    "Small: 95 % bootstrap interval over images. &Delta;: difference to the method on trial on the "
    "same resampled images, <span class=loss>red where the method on trial is worse</span>, <span class=win>green "
    "where it is better</span>, and the interval excludes 0. Bold: best of the column, the supervised line aside, "
    "which has seen quality labels."
)


def _opening(report: Report) -> list[str]:
    """The answer, and how it was measured."""
    parts = [f"<h2>{_text(HEADING)}</h2>"]
    parts += [f"<p class=answer>{_text(sentence)}</p>" for sentence in report.answer.sentences]
    if report.answer.lines:
        parts += [_plain_table(report.answer.lines), f"<p class=dim>{_text(report.answer.caption)}</p>"]
    return [*parts, *(f"<p class=dim>{_text(fact)}</p>" for fact in report.facts)]


def _paper(report: Report) -> list[str]:
    """The section of the paper's figures: its headline, its first figure, and who it shows as worst."""
    caption = (
        f"Pearson's correlation of the score with Dice, MSD and HD95. The top {report.top} are the images that a "
        "method itself ranks worst: their range is cut off, and the better a ranking, the nearer to 0 this figure can "
        "come. It is printed because the paper reports it, and has no best. Paper (arXiv 2304.03220, the top "
        f"{TOP} of {IMAGES:,} images of VOC val, other predictions): {_quotation(GNSM)}; {_quotation(DEEP_SVDD)}."
    )
    rows = with_published(report.rows, report.published, report.top)
    parts = ["<h2>The figures of the paper</h2>", *_method_table(report, HEADLINE, rows, caption)]
    for picture in report.pictures:
        if picture.of_paper:
            parts += _figure(picture)
    return parts


def _method_table(report: Report, group: str, rows: Sequence[Mapping[str, Any]], caption: str) -> list[str]:
    """The table of a group of measures."""
    chosen = [measure for measure in measures(report.top, report.threshold) if measure.group == group]
    heading = _text(group[0].upper() + group[1:])
    return [f"<h3>{heading}</h3>", f"<p class=dim>{_text(caption)}</p>", _methods(rows, report.groups, chosen)]


def _figure(picture: Picture) -> list[str]:
    return [
        f"<h2>{_text(picture.heading)}</h2><figure>",
        f"<img alt='{_text(picture.heading)}' src='{_data_address(picture.path)}'>",
        f"<figcaption>{_text(picture.caption)}</figcaption></figure>",
    ]


def _data_address(path: Path) -> str:
    """A PNG as a data: address, wide ones smaller and as JPEG: a sheet of photographs would make a page that nobody can
    send.
    """
    with Image.open(path) as image:
        if image.width <= EMBEDDED_WIDTH:
            kind, data = "png", path.read_bytes()
        else:
            buffer = io.BytesIO()
            image.convert("RGB").resize(
                (EMBEDDED_WIDTH, round(image.height * EMBEDDED_WIDTH / image.width)), Image.Resampling.LANCZOS
            ).save(buffer, "JPEG", quality=85)
            kind, data = "jpeg", buffer.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _quotation(quoted: Published) -> str:
    return f"{quoted.name} {quoted.dice:+.2f}, {quoted.msd:+.2f}, {quoted.hd95:+.2f}"


def _methods(rows: Sequence[Mapping[str, Any]], groups: Mapping[str, str], columns: Sequence[Measure]) -> str:
    """A block of the method table."""
    judged = [row for row in rows if row["method"] in groups]  # the others are the paper's
    supervised = [row["method"] for row in judged if groups[row["method"]] == "supervised"]
    best = {measure.key: best_methods(judged, measure, supervised) for measure in columns}
    lines = [
        "<div class=scroll><table><tr><th>method<th>images"
        + "".join(f"<th>{_text(measure.title)}" for measure in columns)
    ]
    current = ""
    for row in rows:
        group = groups.get(row["method"], current)
        if group != current:
            current = group
            lines.append(f"<tr class=group><td>{_text(current)}" + "<td>" * (len(columns) + 1))
        cells = [f"<td>{_text(row['method'])}", f"<td>{row['images']}"]
        cells += [_cell(row, measure, row["method"] in best[measure.key]) for measure in columns]
        kind = " class=trial" if row is rows[0] else "" if row["method"] in groups else " class=quoted"
        lines.append(f"<tr{kind}>" + "".join(cells))
    return "\n".join(lines) + "</table></div>"


def _cell(row: Mapping[str, Any], measure: Measure, best: bool) -> str:
    key = measure.key
    if row[key] is None:
        return "<td>-"
    cell = f"<td{' class=best' if best else ''}>{row[key]:.3f}{_between(row, key)}"
    difference = row.get(f"{key}_difference")
    if difference is not None:
        low, high = row[f"{key}_difference_low"], row[f"{key}_difference_high"]
        decided = low is not None and (low > 0 or high < 0)
        trial_wins = difference * measure.better < 0
        kind = (" class=win" if trial_wins else " class=loss") if decided else ""
        cell += f"<small{kind}>&Delta; {difference:+.3f}"
        cell += "</small>" if low is None else f" [{low:+.2f}, {high:+.2f}]</small>"
    return cell


def _between(row: Mapping[str, Any], key: str) -> str:
    low, high = row[f"{key}_low"], row[f"{key}_high"]
    return "" if low is None else f"<small>[{low:.2f}, {high:.2f}]</small>"


def _plain_table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "<p>None.</p>"
    kinds = {key: " class=text" if isinstance(value, str) else "" for key, value in rows[0].items()}
    lines = [
        "<div class=scroll><table><tr>"
        + "".join(f"<th{kind}>{_text(str(key).replace('_', ' '))}" for key, kind in kinds.items())
    ]
    lines += [
        "<tr>" + "".join(f"<td{kinds[key]}>{_text(_number(value))}" for key, value in row.items()) for row in rows
    ]
    return "\n".join(lines) + "</table></div>"


def _number(value: Any) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _text(value: str) -> str:
    return html.escape(value, quote=True)
