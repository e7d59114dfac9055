"""A report as one HTML file: everything is in it, nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_attn_unet.output import replacing
from napari_attn_unet.prediction import ClassInfo, Colour
from napari_attn_unet.report.cases import CaseResult, PairedRow, Report
from napari_attn_unet.report.picture import hexadecimal
from napari_attn_unet.scores.comparison import TOGETHER
from napari_attn_unet.table import Row, column, columns, counted, text, write_csv

SHOWN = ("dice", "hd95", "surface_dice")
"""Metrics that are plotted."""
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
  color: #222; background: #fff; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 13px; display: block;
  overflow-x: auto; max-height: 32rem; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: right;
  white-space: nowrap; }
th { position: sticky; top: 0; background: #f4f4f4; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
img { max-width: 100%; } figure { margin: 0 0 1.5rem; }
figcaption { font-size: 13px; color: #444; }
.cases { display: grid; grid-template-columns: repeat(auto-fill, minmax(26rem, 1fr)); gap: 1rem; }
.bad { color: #a40000; }
i { display: inline-block; width: .7em; height: .7em; margin-right: .4em; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _WorstRow(Row):
    case: str = column("case")
    mean: float = column("mean Dice")
    dice: Mapping[str, float] = column("Dice, {key}")


def write_report(report: Report, out: str | Path, compared: Sequence[PairedRow] = ()) -> None:
    """Write cases.csv (a row per case and class), summary.csv and report.html into a folder.

    In cases.csv, what has no numbers is a row as well, with the reason under "note".

    Parameters
    ----------
    report, compared
        See `to_html`.
    out
        The folder; made if need be.

    Raises
    ------
    FileError
        If something cannot be written.
    """
    out = Path(out)
    write_csv(out / "cases.csv", report.table())
    write_csv(out / "summary.csv", report.summary())
    with replacing(out / "report.html") as temporary:
        temporary.write_bytes(to_html(report, compared).encode("utf-8", "backslashreplace"))


def to_html(report: Report, compared: Sequence[PairedRow] = ()) -> str:
    """Return the report as a page.

    Parameters
    ----------
    report
        All cases.
    compared
        Rows of `paired`, for a section of their own.
    """
    colours = _colours(report)
    parts = [f"<h1>{html.escape(report.title or 'Evaluation')}</h1>"]
    told = [f"<b>{html.escape(k)}</b> {html.escape(v)}" for k, v in report.about.items()]
    parts.append(f"<p>{' · '.join([counted(len(report.good), 'case'), *told])}</p>")
    for without, title in ((report.failed, "not evaluated"), (report.missing, "without a mask")):
        if without:
            bad = _reasons({c.name: c.error for c in without})
            parts.append(f"<h2 class='bad'>{len(without)} {title}</h2>{bad}")
    elsewhere = {c.name: c.note for c in report.good if c.note}
    if elsewhere:
        parts += [f"<h2 class='bad'>{len(elsewhere)} on another grid</h2>", _reasons(elsewhere)]
    if compared:
        parts += ["<h2>Second against first</h2>", _table(compared, colours)]
        parts.append(
            "<p>Difference: second minus first, with the 95 % bootstrap interval of its mean. "
            "p: Wilcoxon signed-rank test, two-sided, not corrected for the number of tests.</p>"
        )
    if report.good:
        parts += ["<h2>Summary</h2>", _table(report.summary(), colours)]
        parts.append(
            "<p>Interval: 95 % percentile bootstrap of the mean over cases. Infinite distances "
            "(one side has nothing of the class) are counted apart.</p>"
        )
        if any(name != TOGETHER for name in report.classes()):
            parts += [
                "<h2>Distribution</h2>",
                _image(_plot(report, colours), "Every dot is a case."),
            ]
        parts += ["<h2>Lowest Dice</h2>", _table(_worst_rows(report))]
        drawn = [case for case in report.worst(len(report.good)) if case.picture]
        if drawn:
            parts += ["<h2>Worst slice of each case</h2>", "<div class='cases'>"]
            parts += [_case(case) for case in drawn]
            parts.append("</div>")
        missing = {c.name: c.picture_error for c in report.good if c.picture_error}
        if missing:
            parts += [f"<h2 class='bad'>{len(missing)} without a picture</h2>", _reasons(missing)]
        parts += ["<h2>Every case</h2>", _table(report.table(), colours)]
    page = "\n".join(parts)
    title = html.escape(report.title or "Evaluation")
    return (
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{title}</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style></head>"
        f"<body>\n{page}\n</body></html>\n"
    )


def _reasons(reasons: Mapping[str, str]) -> str:
    items = (f"<li><b>{html.escape(k)}</b>: {html.escape(v)}</li>" for k, v in reasons.items())
    return f"<ul>{''.join(items)}</ul>"


def _worst_rows(report: Report) -> list[_WorstRow]:
    return [
        _WorstRow(
            case=c.name,
            mean=c.mean("dice"),
            dice={r.class_name: r.dice for r in c.rows if r.class_name != TOGETHER},
        )
        for c in report.worst(10)
    ]


def _case(case: CaseResult) -> str:
    where = "nothing is wrong" if case.slice_ is None else f"slice z = {case.slice_}"
    caption = f"{case.name}: mean Dice {case.mean('dice'):.3f}, {where}"
    return _image(case.picture, caption)


def _image(png: bytes, caption: str) -> str:
    data = base64.b64encode(png).decode("ascii")
    return (
        f"<figure><img alt='{html.escape(caption, quote=True)}' src='data:image/png;base64,{data}'>"
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _colours(report: Report) -> dict[str, Colour]:
    """Return {class: colour}: those of the pictures."""
    names = [name for name in report.classes() if name != TOGETHER]
    return {name: ClassInfo.numbered(label, name).colour for label, name in enumerate(names, 1)}


def _table(rows: Sequence[Row], colours: Mapping[str, Colour] | None = None) -> str:
    """Return rows as a table, a class's colour before its name."""
    if not rows:
        return "<p>Nothing.</p>"
    titles = columns(rows)
    cells = [row.cells() for row in rows]
    words = {t for t in titles if any(isinstance(row.get(t), str) for row in cells)}
    head = "".join(
        f"<th{' class=text' if t in words else ''}>{html.escape(t)}</th>" for t in titles
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{' class=text' if t in words else ''}>"
            f"{_swatch(row[t], colours) if t == 'class' and t in row else ''}"
            f"{html.escape(text(row.get(t)))}</td>"
            for t in titles
        )
        + "</tr>"
        for row in cells
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _swatch(name: object, colours: Mapping[str, Colour] | None) -> str:
    colour = (colours or {}).get(str(name))
    return "" if colour is None else f"<i style='background:{hexadecimal(colour)}'></i>"


def _plot(report: Report, colours: Mapping[str, Colour]) -> bytes:
    """Return a box and a dot per case for every class, for the metrics that matter most."""
    from matplotlib.figure import Figure  # noqa: PLC0415  (slow to import)

    metrics = [m for name in SHOWN for m in report.metrics() if m.name == name]
    figure = Figure(figsize=(4 * len(metrics), 3.4), layout="constrained")
    rng = np.random.default_rng(0)
    classes = [name for name in report.classes() if name != TOGETHER]
    for ax, metric in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
        groups = [
            [v for v in report.values(metric, name).values() if math.isfinite(v)]
            for name in classes
        ]
        ax.boxplot(
            groups,
            showfliers=False,
            widths=0.5,
            tick_labels=classes,
            medianprops={"color": "#222222"},
        )
        for i, (name, values) in enumerate(zip(classes, groups, strict=True), 1):
            x = i + rng.uniform(-0.15, 0.15, len(values))
            ax.plot(x, values, ".", color=colours[name], alpha=0.7, markersize=5)
        ax.set_title(metric.title, fontsize=10)
        ax.tick_params(labelsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
