"""Tables: typed rows inside, titles and numbers as text only where a person reads them.

A row is a frozen dataclass whose fields are made by `column`. Code asks for `row.dice`; a title
such as "HD95 (mm)" exists at the edge alone: on screen, in a file, on a page.
"""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

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
        As of `dataclasses.field`. A column that not every table has is None by default.
    """
    return dataclasses.field(default=default, metadata={_TITLE: title})


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """A row of a table. Fields that `column` did not make are not shown, nor are those of None."""

    def titles(self) -> dict[str, str]:
        """Return {field: title} of the columns that are shown, but for those of mappings."""
        return {
            field.name: title.format(**values)
            for field, title, values in self._columns()
            if not isinstance(values[field.name], Mapping)
        }

    def cells(self) -> dict[str, Any]:
        """Return {title: value} of every column that is shown, in their order."""
        shown: dict[str, Any] = {}
        for field, title, values in self._columns():
            value = values[field.name]
            if isinstance(value, Mapping):
                shown |= {title.format(**values, key=key): v for key, v in value.items()}
            else:
                shown[title.format(**values)] = value
        return shown

    def _columns(self) -> Iterator[tuple[dataclasses.Field[Any], str, dict[str, Any]]]:
        """Yield the fields that are shown, their titles, and the values that a title may name."""
        fields = dataclasses.fields(self)
        values = {field.name: getattr(self, field.name) for field in fields}
        for field in fields:
            title = field.metadata.get(_TITLE)
            if title is not None and values[field.name] is not None:
                yield field, title, values


def columns(rows: Iterable[Row]) -> list[str]:
    """Return the titles of the columns of all rows, each once, in their order."""
    return list(dict.fromkeys(title for row in rows for title in row.cells()))


def text(value: Any) -> str:
    """Return a value for a person to read: four digits, "–" for what is not defined."""
    if _is_fraction(value):
        number = float(value)
        if math.isnan(number):
            return "–"
        if math.isinf(number):
            return "∞" if number > 0 else "−∞"
        return f"{number:,.0f}" if abs(number) >= _LARGE else f"{number:.4g}"
    return "–" if value is None else str(value)


def score(value: float, *, signed: bool = False) -> str:
    """Return a score for a person to compare: four decimals, "–" for what is not defined.

    Parameters
    ----------
    value
        A Dice, a distance, the difference of two.
    signed
        Whether a plus is told, too.
    """
    return "–" if math.isnan(value) else format(value, "+.4f" if signed else ".4f")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 case", "2 cases"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def markdown(rows: Sequence[Row]) -> str:
    """Return rows as a Markdown table; empty without rows.

    What a row does not have is "–", as is what is not defined.
    """
    if not rows:
        return ""
    titles = columns(rows)
    lines = [titles, ["---"] * len(titles)]
    lines += [[text(cells.get(title)) for title in titles] for cells in map(Row.cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def write_csv(path: str | Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV (RFC 4180), six digits; what is not defined is an empty cell.

    Parameters
    ----------
    path
        The file; its folder is made if need be.
    rows
        Their columns are those of all rows; a cell that a row does not have is empty.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        writer = csv.DictWriter(file, columns(rows), restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow({title: _exact(value) for title, value in row.cells().items()})


def _is_fraction(value: Any) -> bool:
    """Whether it is a number with a fraction, Python's or numpy's, which this need not import."""
    return isinstance(value, Real) and not isinstance(value, Integral)


def _exact(value: Any) -> Any:
    if _is_fraction(value):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value
