"""Columns that are shown at first, and those that somebody has chosen."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QHelpEvent
from qtpy.QtWidgets import QApplication, QToolTip

from napari_attn_unet.plugin.kit.columns import Table, shares
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


class TestShares:
    def test_what_is_left_over_goes_to_all_alike(self) -> None:
        assert shares([10, 10], [20, 40], 81) == [31, 50]

    def test_the_widest_that_can_gives_way(self) -> None:
        assert shares([50, 10, 10], [50, 30, 90], 130) == [50, 30, 50]

    def test_what_cannot_be_had_is_scrolled_whole(self) -> None:
        assert shares([50, 60], [70, 80], 100) == [70, 80]

    @given(
        st.lists(st.tuples(st.integers(5, 80), st.integers(0, 200)), min_size=1, max_size=8),
        st.integers(50, 900),
    )
    def test_nothing_is_wider_than_the_room_or_narrower_than_its_least(
        self, columns: list[tuple[int, int]], room: int
    ) -> None:
        least = [a for a, _ in columns]
        whole = [a + more for a, more in columns]
        widths = shares(least, whole, room)
        assert all(a <= width for a, width in zip(least, widths, strict=True))
        if sum(least) <= room:
            assert sum(widths) <= room


def test_a_number_stays_whole_and_a_word_says_that_it_goes_on(qtbot: QtBot) -> None:
    table = Table("some")
    qtbot.addWidget(table)
    word = "a word that is far longer than the room"
    fill(table, [Some(name=word, dice=0.1234, away=2.345, recall=0.5678)])
    table.resize(300, 120)
    table.show()
    qtbot.waitUntil(lambda: table.horizontalScrollBar().maximum() == 0)
    model = table.model()
    asked = [table.sizeHintForIndex(model.index(0, c)).width() for c in range(4)]
    assert [table.columnWidth(c) >= asked[c] for c in range(4)] == [False, True, True, True]
    assert told(table, 1) == ""
    assert told(table, 0) == word


def test_a_title_that_is_cut_has_a_tooltip(qtbot: QtBot) -> None:
    table = filled(qtbot)
    table.show()
    for width, tip in ((180, "HD95 (mm)"), (600, None)):
        table.resize(width, 120)
        assert table.horizontalHeaderItem(2).data(Qt.ItemDataRole.ToolTipRole) == tip


def told(table: Table, column: int) -> str:
    """Return what a cell tells when the cursor rests on it."""
    QToolTip.hideText()
    place = table.visualRect(table.model().index(0, column)).center()
    view = table.viewport()
    QApplication.sendEvent(view, QHelpEvent(QEvent.Type.ToolTip, place, view.mapToGlobal(place)))
    return QToolTip.text()
