"""Where it is wrong: connected errors, sorted; a click goes there; seen ones are ticked off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_attn_unet.plugin.compare.state import State
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.columns import Table
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.navigate import go_to, plane_on_screen
from napari_attn_unet.plugin.kit.tables import cell, fill, save
from napari_attn_unet.plugin.kit.text import Text
from napari_attn_unet.plugin.overlay.lines import Lines, Strokes, trace
from napari_attn_unet.plugin.overlay.told import Line, told_of
from napari_attn_unet.scores.errors import ErrorComponent, ErrorRow, part_of

SELECTED = (1.0, 0.95, 0.2, 1.0)
"""Colour of the line around the error that is looked at."""
MOST = 500
"""Components listed at most; all are saved."""


class ErrorsTab(QWidget):
    """The list of error components."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self.seen: set[tuple[str, str, tuple[int, int, int]]] = set()
        self._pair: tuple[object, object] = (None, None)
        self._busy = False
        self._at = -1
        self._line: Strokes | None = None
        self._told = told_of(state.viewer)
        self._drawing = Latest(
            state.dock,
            self._prepare,
            self._drawn,
            lambda error: self.message.setText(str(error)),
            may_interrupt=lambda: True,
        )
        state.dock.on_close(self._forget_line)
        state.dock.connect(state.viewer.dims.events.order, self._outline)
        state.dock.connect(state.viewer.dims.events.ndisplay, self._outline)
        self.message = Text()
        self.table = Table("errors", ("#", "error", "class", "voxels"))
        self.table.setToolTip(
            "Connected errors, the largest first. Click one to see it; tick it off once seen; "
            "click a header to sort."
        )
        self.previous = QPushButton("◂ error")
        self.previous.setToolTip("Go to the error before (Shift-J).")
        self.next = QPushButton("error ▸")
        self.next.setToolTip("Go to the next error that is not ticked off (J).")
        self.save = QPushButton("Save…")
        self.save.setToolTip("Save all errors, with what is ticked off, as CSV.")
        line = QHBoxLayout()
        for button in (self.previous, self.next, self.save):
            line.addWidget(button)
        line.addStretch()
        column = QVBoxLayout(self)
        column.addLayout(line)
        column.addWidget(self.message)
        column.addWidget(self.table, 1)
        self.previous.clicked.connect(lambda: self.step(-1))
        self.next.clicked.connect(lambda: self.step(1))
        self.save.clicked.connect(self._save)
        self.table.cellClicked.connect(self._clicked)
        self.table.itemChanged.connect(self._ticked)
        state.chosen.connect(self._show)
        state.changed.connect(lambda _: self._waiting())
        state.measured.connect(self._show)

    @property
    def components(self) -> list[ErrorComponent]:
        """The errors, the largest first; none while they are being measured."""
        return self._state.components or []

    def _waiting(self) -> None:
        self.message.setText("Measuring…")

    def _show(self) -> None:
        self._busy = True
        self._at = -1
        self._forget_line()
        state = self._state
        if (state.mask, state.truth) != self._pair:  # what was ticked off is another's
            self._pair, self.seen = (state.mask, state.truth), set()
        rows = self.rows()[:MOST]
        fill(self.table, [replace(row, seen=None) for row in rows])
        self.table.setSortingEnabled(False)
        for i, row in enumerate(rows):
            item = cell(self.table, i, 0)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(
                Qt.CheckState.Checked if row.seen == "yes" else Qt.CheckState.Unchecked
            )
        self.table.setSortingEnabled(True)
        self._busy = False
        if state.comparison is None:
            self.message.setText("")
        elif state.components is None:
            self._waiting()
        else:
            wrong = int((state.comparison.errors > 1).sum())
            more = f" The {MOST} largest are listed." if len(self.components) > MOST else ""
            self.message.setText(
                f"{len(self.components):,} errors, {wrong:,} wrong voxels.{more}"
                if self.components
                else "No error: mask and truth are the same."
            )

    def rows(self) -> list[ErrorRow]:
        """Return the errors as a table, with what is ticked off."""
        if self._state.comparison is None:
            return []
        rows = self._state.comparison.component_rows(self.components)
        return [
            replace(row, seen="yes" if _key(c) in self.seen else "")
            for row, c in zip(rows, self.components, strict=True)
        ]

    def _number(self, row: int) -> int:
        item = self.table.item(row, 0)
        return int(item.text()) - 1 if item is not None else -1

    def _ticked(self, item: object) -> None:
        row = getattr(item, "row", lambda: -1)()
        if self._busy or getattr(item, "column", lambda: -1)() != 0:
            return
        number = self._number(row)
        if not 0 <= number < len(self.components):
            return
        key = _key(self.components[number])
        if cell(self.table, row, 0).checkState() == Qt.CheckState.Checked:
            self.seen.add(key)
        else:
            self.seen.discard(key)

    def _clicked(self, row: int, _: int) -> None:
        self.go_to(self._number(row))

    def step(self, by: int) -> None:
        """Go to the next error that is not ticked off, or the one before."""
        place = self._at + by
        while 0 <= place < len(self.components):
            if by < 0 or _key(self.components[place]) not in self.seen:
                self.go_to(place)
                return
            place += by

    def go_to(self, number: int) -> None:
        """Show an error: its slice, in the middle, near."""
        mask = self._state.mask
        if mask is None or not 0 <= number < len(self.components):
            return
        self._at = number
        component = self.components[number]
        self._outline()
        size = [s.stop - s.start for s in component.box]
        go_to(self._state.viewer, mask, component.voxel, size)
        self.message.setText(
            f"Error {number + 1} of {len(self.components)}: {component.kind}, "
            f"{component.classes}, {component.voxels:,} voxels."
        )

    # --- the one that is looked at --------------------------------------------------------------
    def _outline(self, _: Any = None) -> None:
        """Outline the error that is looked at, on every slice that it spans."""
        if self._at < 0:
            return
        mask = self._state.mask
        if mask is None or plane_on_screen(self._state.viewer, mask) is None:
            self._forget_line()
        else:
            self._drawing.now()

    def _prepare(self) -> Callable[[], workers.Work] | None:
        state, mask = self._state, self._state.mask
        looking = None if mask is None else plane_on_screen(state.viewer, mask)
        counted = state.comparison
        if looking is None or counted is None or not 0 <= self._at < len(self.components):
            return None
        component = self.components[self._at]
        axis, start = looking[0], [s.start for s in component.box]

        def steps() -> workers.Work:
            yield None
            inside = part_of(component, counted.mask, counted.truth).astype(np.uint8)
            lines = yield from trace(inside, axis)
            return component, replace(lines, pieces=lines.pieces + np.asarray(start, np.float32))

        return steps

    def _drawn(self, found: tuple[ErrorComponent, Lines]) -> None:
        component, lines = found
        state, mask, at = self._state, self._state.mask, self._at
        looking = None if mask is None else plane_on_screen(state.viewer, mask)
        is_looked_at = 0 <= at < len(self.components) and self.components[at] is component
        if mask is None or looking is None or looking[0] != lines.axis or not is_looked_at:
            return
        if self._line is None:
            self._line = Strokes(state.dock, "selected error")
        table = np.tile(np.asarray(SELECTED, np.float32), (len(lines.pieces), 1))
        self._line.show(lines, mask, table)
        told = f"yellow line: error {at + 1} of {len(self.components)}"
        self._told.say(self, [Line(told, SELECTED)])

    @property
    def busy(self) -> bool:
        """Whether an outline is on its way."""
        return self._drawing.busy

    def _forget_line(self) -> None:
        self._drawing.cancel()
        line, self._line = self._line, None
        if line is not None:
            line.close()
        self._told.say(self, ())

    def hideEvent(self, _: object) -> None:  # noqa: N802
        """Outline no error while the list is not seen (Qt calls this)."""
        self._forget_line()

    def showEvent(self, _: object) -> None:  # noqa: N802
        """Outline the error that was looked at (Qt calls this)."""
        if not self._state.dock.is_closed:
            self._outline()

    def _save(self) -> None:
        save(self, "errors.csv", self.rows(), self.message.setText)


def _key(component: ErrorComponent) -> tuple[str, str, tuple[int, int, int]]:
    return component.kind, component.classes, component.voxel
