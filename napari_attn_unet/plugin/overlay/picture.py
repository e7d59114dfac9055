"""Everything drawn on and beside the canvas of a viewer, while any of our docks is open."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from weakref import ref

from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMainWindow, QWidget

from napari_attn_unet.plugin.choice import choice_of
from napari_attn_unet.plugin.kit.dock import Dock, memory
from napari_attn_unet.plugin.kit.follow import Follower
from napari_attn_unet.plugin.layers import OUTPUT
from napari_attn_unet.plugin.overlay.below import Below
from napari_attn_unet.plugin.overlay.clip import Clip
from napari_attn_unet.plugin.overlay.front import InFront
from napari_attn_unet.plugin.overlay.legend import Legend
from napari_attn_unet.plugin.overlay.outline import Outline
from napari_attn_unet.plugin.overlay.place import Place
from napari_attn_unet.plugin.overlay.sides import Sides
from napari_attn_unet.plugin.overlay.span import Span
from napari_attn_unet.plugin.overlay.truth import Truth
from napari_attn_unet.plugin.panel import panel_of
from napari_attn_unet.plugin.results import beside

STRIP = "Gates of this slice"
_CORNERS = (
    (Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea),
    (Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea),
)


class Picture:
    """What is drawn of a viewer's choice: outlines, legend, sides.

    Parameters
    ----------
    viewer
        Whose canvas it is.
    """

    def __init__(self, viewer: Any) -> None:
        self._anchor = QWidget()  # never shown: what a dock's parts hang on
        self.dock = Dock(self._anchor, viewer, "picture")
        self._choice = choice_of(viewer)
        self._docks = 0
        self._followed: Any = lambda: None
        self._outlines: dict[Labels, Outline] = {}
        self._span = Span(self.dock)
        self._clip = Clip(self.dock, self._choice)
        self._in_front = InFront(self.dock, self._choice)
        self._truth = Truth(self.dock, self._choice)
        self.legend = Legend(self.dock, self._choice)
        place = Place(self.dock, self._choice)
        self.sides = Sides(self.dock, self._choice, place)
        self._below: Any = None
        self._later = self.dock.timer(50, self._update)  # the provenance is set after the data
        self._follower = Follower(self.dock, self._update, self._later.start)
        self.dock.connect(viewer.layers.selection.events.active, self._selected)
        self.dock.connect(self._choice.changed, self._chosen)
        self.dock.on_close(self._take_strip_away)
        self._update()
        self._chosen()

    @property
    def outline(self) -> Outline | None:
        """The outline of the chosen mask."""
        mask = self._choice.mask
        return self._outlines.get(mask) if isinstance(mask, Labels) else None

    @property
    def busy(self) -> bool:
        """Whether anything is on its way."""
        return any(outline.busy for outline in self._outlines.values())

    def _update(self) -> None:
        self._choice.update(self.dock.viewer)
        if set(self._masks()) != set(self._outlines):  # another box's came, or went
            self._chosen()
            self.legend.follow()

    def _selected(self, event: Any) -> None:
        layer = event.value
        if layer is None or layer.metadata.get(OUTPUT, {}).get("effect"):
            return
        # A helper that comes takes the selection, and gives it back: nobody has selected anything.
        if layer is not self._followed():
            self._followed = ref(layer)
            self._choice.follow(layer, self.dock.viewer)

    def _chosen(self) -> None:
        self._show_strip()
        wanted = self._masks()
        for mask in [mask for mask in self._outlines if mask not in wanted]:
            self._outlines.pop(mask).close()
        for mask in wanted:
            if mask not in self._outlines:
                self._outlines[mask] = outline = Outline(self.dock, mask)
                outline.drawn.connect(self.legend.recount)

    def _masks(self) -> list[Labels]:
        """Return the chosen mask, and those of other boxes that lie beside it."""
        mask, result = self._choice.mask, self._choice.result
        found = [mask] if isinstance(mask, Labels) else []
        if result is not None and mask is result.mask:
            found += [other.mask for other in beside(result, self.dock.viewer) if other.mask]
        return found

    # --- the strip ------------------------------------------------------------------------------
    @property
    def below(self) -> Below | None:
        """What lies below the canvas, if it is there."""
        below = None if self._below is None else self._below()
        return below if below is not None and below.parent() is not None else None

    def show_strip(self) -> None:
        """Show the strip again, if it was closed."""
        if self.below is None:
            self._below = None
            self._show_strip()

    def _show_strip(self) -> None:
        """Show the strip once there are gates; one that was closed stays so, until asked for."""
        window = getattr(self.dock.viewer, "window", None)
        result = self._choice.result
        if window is None or self._below is not None or result is None or not result.gates:
            return
        panel_of(self.dock.viewer).note_fit()
        below = Below(self.dock.viewer, self._choice, self.sides)
        self._below = ref(below)
        window.add_dock_widget(below, name=STRIP, area="bottom", add_vertical_stretch=False)
        main = below.window()
        if isinstance(main, QMainWindow):  # below the canvas, not below all
            for corner, area in _CORNERS:
                main.setCorner(corner, area)

    def _take_strip_away(self) -> None:
        below = self.below
        if below is not None:
            with suppress(AttributeError):  # a window that is being closed takes it along
                self.dock.viewer.window.remove_dock_widget(below)

    def hold(self, dock: Dock) -> None:
        """Stay until a dock closes, and until every other one has."""
        self._docks += 1
        dock.on_close(self._left)

    def _left(self) -> None:
        self._docks -= 1
        if not self._docks:
            memory(self.dock.viewer, "picture").clear()
            self._choice.let_go()
            self.dock.close()


def show_picture(dock: Dock) -> Picture:
    """Return what is drawn of a dock's viewer; it is, for as long as any dock asks for it."""
    kept = memory(dock.viewer, "picture")
    if not kept:
        kept["picture"] = Picture(dock.viewer)
    picture: Picture = kept["picture"]
    picture.hold(dock)
    return picture
