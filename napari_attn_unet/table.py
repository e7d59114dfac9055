"""Tables: typed rows inside, titles and numbers as text only where a person reads them.

A row is a frozen dataclass whose fields are made by `column`. Code asks for `row.dice`; a title
such as "HD95 (mm)" exists at the edge alone: on screen, in a file, on a page.
"""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_attn_unet.output import replacing

_TITLE = "title"
_LARGE = 1000


def column(title: str, default: Any = dataclasses.MISSING) -> Any:
    """Return a field of a `Row` that is shown under a title.

    Parameters
    ----------
    title
        May name other fields of the row, such as "HD95 ({unit})". Where the field is a mapping,
        each entry is a column of its own and `{key}` its key.
    default
        As of `dataclasses.field`.
    """
    return dataclasses.field(default=default, metadata={_TITLE: title})


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """A row of a table. Fields that `column` did not make are not shown, nor are those of None."""

    def cells(self) -> dict[str, Any]:
        """Return {title: value} of every column, in their order."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        shown: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            title, value = field.metadata.get(_TITLE), values[field.name]
            if title is None or value is None:
                continue
            if isinstance(value, Mapping):
                shown |= {title.format(**values, key=key): v for key, v in value.items()}
            else:
                shown[title.format(**values)] = value
        return shown

    def title(self, name: str) -> str:
        """Return the title of one column, by its field."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        (title,) = (f.metadata[_TITLE] for f in dataclasses.fields(self) if f.name == name)
        return str(title.format(**values))


def columns(rows: Sequence[Row]) -> list[str]:
    """Return the titles of the columns of all rows, each once, in their order."""
    return list(dict.fromkeys(title for row in rows for title in row.cells()))


def text(value: Any) -> str:
    """Return a value for a person to read: four digits, "–" for what is not defined."""
    if isinstance(value, float | np.floating):
        number = float(value)
        if math.isnan(number):
            return "–"
        if math.isinf(number):
            return "∞" if number > 0 else "−∞"
        return f"{number:,.0f}" if abs(number) >= _LARGE else f"{number:.4g}"
    return "–" if value is None else str(value)


def markdown(rows: Sequence[Row]) -> str:
    """Return rows as a Markdown table; empty without rows."""
    if not rows:
        return ""
    titles = columns(rows)
    lines = [titles, ["---"] * len(titles)]
    lines += [[text(row.cells().get(title, math.nan)) for title in titles] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def write_csv(path: str | Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV (RFC 4180), six digits; what is not defined is an empty cell.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns(rows), restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow({title: _exact(value) for title, value in row.cells().items()})


def _exact(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value
