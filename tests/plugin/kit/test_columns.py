"""Columns that are shown at first, and those that somebody has chosen."""

from __future__ import annotations

from dataclasses import dataclass

from pytestqt.qtbot import QtBot

from napari_attn_unet.plugin.kit.columns import Table
from napari_attn_unet.plugin.kit.tables import fill
from napari_attn_unet.table import Row, column


@dataclass(frozen=True, slots=True, kw_only=True)
class Some(Row):
    name: str = column("class")
    dice: float = column("Dice")
    away: float = column("HD95 ({unit})")
    recall: float = column("recall")
    unit: str = "mm"


ROWS = [Some(name="one", dice=0.5, away=2.0, recall=0.1)]


def shown(table: Table) -> list[str]:
    return [table.title(i) for i in range(table.columnCount()) if not table.isColumnHidden(i)]


def filled(qtbot: QtBot, *first: str) -> Table:
    table = Table("some", first)
    qtbot.addWidget(table)
    fill(table, ROWS)
    return table


def test_at_first_those_are_shown_whose_titles_begin_so(qtbot: QtBot) -> None:
    assert shown(filled(qtbot, "class", "HD95")) == ["class", "HD95 (mm)"]
    assert shown(filled(qtbot)) == ["class", "Dice", "HD95 (mm)", "recall"]


def test_what_was_chosen_is_kept(qtbot: QtBot) -> None:
    table = filled(qtbot, "class", "HD95")
    table._fill()
    actions = {action.text(): action for action in table.menu.actions()}
    assert [name for name, action in actions.items() if action.isChecked()] == shown(table)
    actions["recall"].setChecked(True)
    actions["HD95 (mm)"].setChecked(False)
    assert shown(table) == ["class", "recall"]
    fill(table, ROWS)
    assert shown(table) == ["class", "recall"]
    assert shown(filled(qtbot, "class", "HD95")) == ["class", "recall"]
