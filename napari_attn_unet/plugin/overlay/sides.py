"""Which side is which, on the canvas: letters, an upright view, and where the slice lies."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from napari.components.overlays import TextOverlay
from napari.layers import Image
from psygnal import Signal

from napari_attn_unet.plugin.choice import Choice
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.navigate import camera, grid, plane_on_screen, to_layer
from napari_attn_unet.plugin.kit.settings import Settings
from napari_attn_unet.plugin.overlay.legend import INK, PAPER
from napari_attn_unet.plugin.overlay.place import Place
from napari_attn_unet.report.orientation import (
    Convention,
    View,
    letters,
    plane_name,
    position,
    view_of,
)

PLACES = {
    "top": "top_center",
    "bottom": "bottom_center",
    "left": "middle_left",
    "right": "middle_right",
}
_NAME = "attn-unet side {}"
_SPATIAL = 3
_2D = 2
_ACROSS = 0.8
"""Cosine of the angle, 37°, up to which an axis may lean from a side of the screen in 3D."""


class _Preference:
    """Which convention is preferred; one for all viewers, kept from one session to the next."""

    changed = Signal()

    def __init__(self) -> None:
        self._value: Convention | None = None  # the file is read once: it is asked for every slice

    @property
    def value(self) -> Convention:
        if self._value is None:
            kept = Settings("overlay").value("convention", "radiological")
            self._value = kept if kept in get_args(Convention) else "radiological"
        return self._value

    @value.setter
    def value(self, convention: Convention) -> None:
        Settings("overlay").keep("convention", convention)
        self._value = convention
        self.changed.emit()


PREFERENCE = _Preference()


class Sides:
    """Turns the view of the chosen image upright and letters its sides, until its dock closes.

    The data are not touched: napari's display order and its camera are. An image whose file does
    not know the patient is shown as it is stored, without letters.

    Parameters
    ----------
    dock
        With it everything goes back.
    choice, place
        Whose image is meant, and where it lies.
    """

    changed = Signal()
    """The view was turned, or another slice is shown."""

    def __init__(self, dock: Dock, choice: Choice, place: Place) -> None:
        self._viewer, self._choice = dock.viewer, choice
        self.place = place
        self._view: tuple[Any, View] | None = None
        self.told = ""
        """Where the slice on screen lies, in words."""
        self.writes_slice = True
        """Whether that is on the canvas, which is then drawn twice for every slice."""
        self._convention = PREFERENCE.value
        self._before: tuple[Any, tuple[int, ...]] | None = None
        self._set: tuple[Any, tuple[int, ...]] | None = None
        self._axis: int | None = None
        self._busy = False
        self._written: dict[str, str] = {}
        self._later = dock.timer(0, self._write)
        dock.owns(self.changed)
        dims = self._viewer.dims
        for event in (dims.events.order, dims.events.ndisplay):
            dock.connect(event, self._turned)
        dock.connect(dims.events.current_step, self._moved)
        for event in (camera(self._viewer).events.angles, grid(self._viewer).events.enabled):
            dock.connect(event, lambda *_: self._later.start())
        dock.connect(choice.changed, self._chosen)
        dock.connect(PREFERENCE.changed, self._chosen)
        dock.on_close(self._close)
        self._chosen()

    @property
    def view(self) -> View | None:
        """How the slice on screen is seen; None in 3D or without an image."""
        image = self._image
        looking = None if image is None else plane_on_screen(self._viewer, image)
        if image is None or looking is None:
            return None
        rows, columns = (axis - self._viewer.dims.ndim for axis in self._viewer.dims.displayed)
        key = self.place.version, looking[0], rows, columns, self._convention
        if self._view is None or self._view[0] != key:
            self._view = key, self._seen(looking[0], rows, columns)
        return self._view[1]

    def _seen(self, axis: int, rows: int, columns: int) -> View:
        view = view_of(self.place.geometry, axis, self._convention, known=self.place.known)
        if (rows + _SPATIAL, columns + _SPATIAL) == (view.columns, view.rows):  # transposed
            return View(
                view.axis, view.columns, view.rows, view.flip_columns, view.flip_rows, view.known
            )
        return view

    @property
    def _image(self) -> Image | None:
        image = self._choice.image
        return image if image is not None and image in self._viewer.layers else None

    # --- turning --------------------------------------------------------------------------------
    def _chosen(self) -> None:
        self._convention = PREFERENCE.value
        self._axis = None  # whatever was transposed was of another image
        self._turned()

    def _turned(self, _: Any = None) -> None:
        """Turn what has come up; a transpose of the same plane is respected."""
        if self._busy:
            return
        image, dims = self._image, self._viewer.dims
        looking = None if image is None else plane_on_screen(self._viewer, image)
        if image is not None and looking is not None and dims.ndim >= _SPATIAL:
            self._busy = True
            if self._before is None:
                self._before = camera(self._viewer).orientation2d, tuple(dims.order)
            if looking[0] != self._axis:
                rolled = self._rolled_to()
                self._axis = looking[0] if rolled is None else rolled
                known, convention = self.place.known, self._convention
                self._order(view_of(self.place.geometry, self._axis, convention, known=known))
            self._face()
            self._set = camera(self._viewer).orientation2d, tuple(dims.order)
            self._busy = False
        self._later.start()

    def _rolled_to(self) -> int | None:
        """Return the axis that a roll asks for; None if the order has changed otherwise.

        napari's roll moves each axis one place on, which on an order that was turned upright
        would come back to the axis before.
        """
        dims, last = self._viewer.dims, None if self._set is None else self._set[1]
        if last is None or self._axis is None:
            return None
        rolled = tuple(dims.order) == (*last[-1:], *last[:-1])
        return (self._axis - 1) % _SPATIAL if rolled else None

    def _order(self, view: View) -> None:
        dims = self._viewer.dims
        own = [axis + dims.ndim - _SPATIAL for axis in (view.axis, view.rows, view.columns)]
        order = (*(axis for axis in dims.order if axis not in own), *own)
        if order != tuple(dims.order):
            dims.order = order

    def _face(self) -> None:
        view = self.view
        if view is None:
            return
        shown = self.place.shown.direction
        down = (shown[view.rows, view.rows] < 0) == view.flip_rows
        right = (shown[view.columns, view.columns] < 0) == view.flip_columns
        facing = "down" if down else "up", "right" if right else "left"
        if tuple(map(str, camera(self._viewer).orientation2d)) != facing:
            camera(self._viewer).orientation2d = facing

    # --- what is written ------------------------------------------------------------------------
    def _moved(self, _: Any = None) -> None:
        self._write()  # at once, or the canvas would be drawn twice

    def _write(self) -> None:
        image, view = self._image, self.view
        told, self.told = dict.fromkeys([*PLACES, "slice"], ""), ""
        beside = grid(self._viewer).enabled  # the canvas has four sides, and every cell its own
        if image is not None and view is None and not beside:
            told |= self._sides_in_3d()
        elif image is not None and view is not None:
            geometry = self.place.geometry
            looking = plane_on_screen(self._viewer, image)
            assert looking is not None  # noqa: S101  (for the type checker: there is a view)
            name = f"{plane_name(geometry, view.axis, known=True)} · " if view.known else ""
            self.told = position(self.place.shown, *looking, known=self.place.placed)
            if not self._is_inside(image, looking[0]):
                name, self.told = "", f"outside {image.name}"
            if not beside:
                told |= view.sides(geometry)
                told["slice"] = name + self.told if self.writes_slice else ""
        overlays = self._viewer.canvas.overlays
        news = {side: text for side, text in told.items() if text != self._written.get(side)}
        self._written = told
        for side, text in news.items():
            name = _NAME.format(side)
            if name in overlays:
                overlays[name].text = text or " "
                overlays[name].visible = bool(text)
            elif text:
                overlays[name] = TextOverlay(
                    text=text,
                    position=PLACES.get(side, "bottom_left"),
                    color=INK,
                    box_color=PAPER,
                    font_size=10 if side == "slice" else 14,
                    visible=True,
                )
        self.changed.emit()

    def _sides_in_3d(self) -> dict[str, str]:
        """Return the letters of the sides that lie about across the line of sight, and face it."""
        eye = camera(self._viewer)
        if not self.place.known:
            return {}
        up = np.asarray(eye.up_direction, float)
        right = np.cross(np.asarray(eye.view_direction, float), up)
        if str(eye.handedness) != "right":
            right = -right
        found: dict[str, str] = {}
        # Of the three axes that are shown, in the order in which the camera has them.
        axes = [axis - self._viewer.dims.ndim + _SPATIAL for axis in self._viewer.dims.displayed]
        shown, ends = self.place.shown.direction, letters(self.place.geometry)
        for sides, along in ((("bottom", "top"), up), (("left", "right"), right)):
            share = along / np.linalg.norm(along)
            nearest = int(np.abs(share).argmax())
            axis = axes[nearest]
            if abs(share[nearest]) > _ACROSS:
                forward = share[nearest] * shown[axis, axis] > 0
                found |= dict(zip(sides, ends[axis][:: 1 if forward else -1], strict=True))
        return found

    def _is_inside(self, image: Image, axis: int) -> bool:
        """Whether the slice on screen is one of the image's; the slider may go beyond it."""
        index = to_layer(self._viewer, image, self._viewer.dims.point)[axis - _SPATIAL]
        data: Any = image.data[0] if image.multiscale else image.data
        return bool(-0.5 <= index <= data.shape[axis - _SPATIAL] - 0.5)  # noqa: PLR2004

    def write_slice(self, wanted: bool) -> None:
        """Write where the slice lies on the canvas, or leave that to another."""
        self.writes_slice = wanted
        self._later.start()

    def show_plane(self, axis: int) -> None:
        """Bring up the plane across an axis (of Z, Y, X) of the image."""
        if self._image is None:
            return
        self._viewer.dims.ndisplay = _2D
        self._busy = True  # one turn, not two
        across = [a for a in range(_SPATIAL) if a != axis]
        self._order(View(axis, across[0], across[1]))
        self._busy = False
        self._axis = None
        self._turned()

    def _close(self) -> None:
        self._busy = True  # what goes back is not to be turned again
        overlays = self._viewer.canvas.overlays
        for side in (*PLACES, "slice"):
            overlays.pop(_NAME.format(side), None)
        if self._before is None or self._set is None:
            return
        orientation, order = self._before
        if camera(self._viewer).orientation2d == self._set[0]:
            camera(self._viewer).orientation2d = orientation
        dims = self._viewer.dims
        if tuple(dims.order) == self._set[1] and len(order) == dims.ndim:
            dims.order = order
