"""A table: typed inside, titles and text only where a person or a script reads it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from napari_attn_unet.errors import FileError
from napari_attn_unet.table import Row, column, columns, counted, markdown, score, text, write_csv


@dataclass(frozen=True, slots=True, kw_only=True)
class Fruit(Row):
    name: str = column("fruit")
    weight: float = column("weight ({unit})")
    parts: Mapping[str, float] = column("share of {key}")
    eaten: int | None = column("eaten", None)
    unit: str


APPLE = Fruit(
    name="apple", weight=1234.5678, parts={"peel": 0.1, "core": np.float32(0.2)}, unit="g"
)
PEAR = Fruit(name="pear", weight=math.nan, parts={"peel": math.inf}, eaten=3, unit="g")


def test_titles_name_other_fields_and_what_is_none_is_not_shown() -> None:
    assert list(APPLE.cells()) == ["fruit", "weight (g)", "share of peel", "share of core"]
    assert APPLE.titles() == {"name": "fruit", "weight": "weight (g)"}
    assert PEAR.titles()["eaten"] == "eaten"


def test_columns_are_those_of_all_rows() -> None:
    assert columns([APPLE, PEAR]) == [*APPLE.cells(), "eaten"]
    assert columns([]) == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.123456, "0.1235"),
        (1234.5, "1,234"),
        (np.float32(0.5), "0.5"),
        (math.nan, "–"),
        (None, "–"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (12345, "12345"),
        ("zero", "zero"),
    ],
)
def test_numbers_are_short(value: object, shown: str) -> None:
    assert text(value) == shown


def test_markdown() -> None:
    assert markdown([]) == ""
    assert markdown([APPLE, PEAR]).splitlines() == [
        "| fruit | weight (g) | share of peel | share of core | eaten |",
        "| --- | --- | --- | --- | --- |",
        "| apple | 1,235 | 0.1 | 0.2 | – |",
        "| pear | – | ∞ | – | 3 |",
    ]


def test_a_file_keeps_six_digits_and_leaves_cells_empty(tmp_path: Path) -> None:
    path = tmp_path / "new" / "fruit.csv"
    write_csv(path, [APPLE, PEAR])
    assert path.read_bytes().decode().split("\r\n") == [
        "fruit,weight (g),share of peel,share of core,eaten",
        "apple,1234.57,0.1,0.2,",
        "pear,,inf,,3",
        "",
    ]
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="cannot be written"):
        write_csv(tmp_path / "file" / "fruit.csv", [APPLE])


def test_a_number_comes_with_its_noun() -> None:
    assert [counted(n, "case") for n in (0, 1, 2, 1234)] == [
        "0 cases",
        "1 case",
        "2 cases",
        "1,234 cases",
    ]


def test_a_name_that_is_no_text_in_utf8_does_not_lose_the_table(tmp_path: Path) -> None:
    apple = dataclasses.replace(APPLE, name="M\udcfcller")  # a file name of Latin-1 bytes
    write_csv(tmp_path / "fruit.csv", [apple])
    assert r"M\udcfcller" in (tmp_path / "fruit.csv").read_text(encoding="utf-8")


def test_a_score_is_told_to_four_decimals_all_alike() -> None:
    assert [score(v) for v in (0.88, 0.88004999, 12.3, math.nan)] == [
        "0.8800",
        "0.8800",
        "12.3000",
        "–",
    ]
    assert [score(v, signed=True) for v in (0.02, -0.02, 0.0)] == ["+0.0200", "-0.0200", "+0.0000"]
