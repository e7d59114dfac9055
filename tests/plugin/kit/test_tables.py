"""Rows on screen: numbers short and sorted as numbers, saved whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_attn_unet.plugin.kit import tables
from napari_attn_unet.plugin.kit.columns import Table
from napari_attn_unet.table import Row, column

NAN, INFINITE = float("nan"), float("inf")


@dataclass(frozen=True, slots=True)
class Score(Row):
    name: str = column("name")
    dice: float | None = column("Dice")
    note: str | None = column("note", None)


@pytest.fixture
def table(qtbot: QtBot) -> Table:
    made = Table("some")
    qtbot.addWidget(made)
    return made


def texts(table: Table, column: int) -> list[str]:
    return [table.item(i, column).text() for i in range(table.rowCount())]


def test_rows_stand_as_they_were_given_and_cannot_be_edited(table: Table) -> None:
    tables.fill(table, [Score("b", 0.123456), Score("a", 12)])
    assert texts(table, 0) == ["b", "a"]
    assert texts(table, 1) == ["0.1235", "12"]
    assert table.editTriggers() == Table.EditTrigger.NoEditTriggers
    right = Qt.AlignmentFlag.AlignRight
    assert table.item(0, 1).textAlignment() & right
    assert not table.item(0, 0).textAlignment() & right


@pytest.mark.parametrize("values", [(9.0, 10.0, -1.0, 2), (9.0, 10.0, -1, 2.0)])
def test_numbers_are_sorted_as_numbers(table: Table, values: tuple[float, ...]) -> None:
    tables.fill(table, [Score(str(value), value) for value in values])
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert texts(table, 1) == ["-1", "2", "9", "10"]
    table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    assert texts(table, 1) == ["10", "9", "2", "-1"]
    table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    assert texts(table, 0) == sorted(map(str, values))


def test_what_is_not_defined_stands_behind_the_numbers(table: Table) -> None:
    rows = [Score(str(i), v) for i, v in enumerate((3.0, NAN, 1.0, None, INFINITE, NAN, 2.0))]
    tables.fill(table, rows, missing="…")
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert texts(table, 1) == ["1", "2", "3", "∞", "–", "–", "…"]


def test_titles_and_cells_that_rows_do_not_have(table: Table) -> None:
    tables.fill(
        table, [Score("a", 1.0), Score("b", 2.0, "odd")], titles=("HD95", "Dice"), missing="…"
    )
    titles = [table.horizontalHeaderItem(i).text() for i in range(table.columnCount())]
    assert titles == ["name", "Dice", "note", "HD95"]
    assert texts(table, 2) == ["…", "odd"]
    assert texts(table, 3) == ["…", "…"]


def test_a_table_that_was_sorted_takes_its_rows_whole(table: Table) -> None:
    tables.fill(table, [Score("b", 2.0), Score("a", 1.0)])
    table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    tables.fill(table, [Score("z", 26.0), Score("y", 25.0), Score("x", 24.0)])
    assert list(zip(texts(table, 0), texts(table, 1), strict=True)) == [
        ("x", "24"),
        ("y", "25"),
        ("z", "26"),
    ]


def test_a_cell_is_made_where_there_is_none(table: Table) -> None:
    table.setRowCount(1)
    table.setColumnCount(1)
    made = tables.cell(table, 0, 0)
    assert tables.cell(table, 0, 0) is made


class TestSaving:
    rows = (Score("a", 1 / 3),)

    def choose(self, monkeypatch: pytest.MonkeyPatch, path: Path | str) -> None:
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))

    def test_the_table_and_what_stands_beside_it(
        self, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said: list[str] = []
        path = tmp_path / "scores.csv"
        self.choose(monkeypatch, path)
        kept = tables.save(table, "t.csv", self.rows, said.append, beside={"slices": self.rows})
        assert kept == str(path)
        assert said == [f"Saved {path}."]
        assert path.read_text(encoding="utf-8").split() == ["name,Dice", "a,0.333333"]
        assert (tmp_path / "scores_slices.csv").is_file()

    def test_no_file_is_nothing(self, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
        self.choose(monkeypatch, "")
        assert tables.save(table, "t.csv", self.rows, pytest.fail) is None

    def test_a_file_that_cannot_be_written_is_said(
        self, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said: list[str] = []
        path = tmp_path / "scores.csv"
        path.mkdir()
        self.choose(monkeypatch, path)
        assert tables.save(table, "t.csv", self.rows, said.append) is None
        assert "cannot be written" in said[0]

    def test_a_name_without_an_ending_gets_one(
        self, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.choose(monkeypatch, tmp_path / "scores")
        tables.save(table, "t.csv", self.rows, str, beside={"slices": self.rows})
        assert sorted(p.name for p in tmp_path.glob("*.csv")) == ["scores.csv", "scores_slices.csv"]


def test_a_class_stands_beside_its_colour_and_nothing_else_does(qtbot: QtBot) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Scored(Row):
        class_name: str = column("class")
        of: str = column("of")

    table = Table("some")
    qtbot.addWidget(table)
    rows = [Scored(class_name="lobe", of="lobe"), Scored(class_name="any", of="lobe")]
    tables.fill(table, rows, colours={"lobe": (1.0, 0.0, 0.0)})
    shown = [
        table.item(i, j).data(Qt.ItemDataRole.DecorationRole) for i in range(2) for j in range(2)
    ]
    assert shown[0].getRgb()[:3] == (255, 0, 0)
    assert shown[1:] == [None] * 3
