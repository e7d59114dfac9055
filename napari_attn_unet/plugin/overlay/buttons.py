"""The buttons below the canvas: which plane is shown, and on which side the patient's left is."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QWidget

from napari_attn_unet.plugin.choice import Choice
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.overlay.sides import PREFERENCE, Sides
from napari_attn_unet.report.orientation import CONVENTIONS, plane_name, world_axes

_SPATIAL = 3
TURN = "Which side of the screen the patient's left is on. The view is turned, the data are not."
UNKNOWN = (
    "This image does not say which side is the patient's left (its file has no orientation, or the "
    "layer was turned by hand), so there are no letters, and it is shown as it is stored."
)


class PlaneButtons(QWidget):
    """Axial, coronal and sagittal, a click each, and which side of the screen is left.

    Parameters
    ----------
    dock
        With it the buttons stop to follow.
    choice, sides
        Whose image is meant, and what turns it.
    """

    def __init__(self, dock: Dock, choice: Choice, sides: Sides) -> None:
        super().__init__()
        self._choice, self._sides = choice, sides
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        self.buttons: list[QPushButton] = []
        for axis in range(_SPATIAL):
            button = QPushButton()
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, axis=axis: self._clicked(axis))
            self.buttons.append(button)
            line.addWidget(button)
        self.convention = QComboBox()
        for name, tip in CONVENTIONS.items():
            self.convention.addItem(name)
            self.convention.setItemData(
                self.convention.count() - 1, tip, Qt.ItemDataRole.ToolTipRole
            )
        self.convention.setToolTip(TURN)
        self.convention.setCurrentText(PREFERENCE.value)
        self.convention.currentTextChanged.connect(self._preferred)
        self._followed: Any = None
        line.addWidget(self.convention)
        self.unknown = QLabel("left and right unknown")
        self.unknown.setToolTip(UNKNOWN)
        self.unknown.setVisible(False)
        line.addWidget(self.unknown)
        dock.connect(sides.changed, self._follow)
        dock.connect(PREFERENCE.changed, self._follow)
        self._follow()

    def _clicked(self, plane: int) -> None:
        self._sides.show_plane(self._axis_of(plane))
        self._followed = None  # a click on the plane on screen has put its button up
        self._follow()

    def _axis_of(self, plane: int) -> int:
        """Return the array axis across a plane; they are listed axial first."""
        image = self._choice.image
        place = self._sides.place
        return (
            world_axes(place.geometry).index(plane) if image is not None and place.known else plane
        )

    def _preferred(self, convention: str) -> None:
        PREFERENCE.value = convention  # type: ignore[assignment]  # one of those listed

    def _follow(self) -> None:
        image, view = self._choice.image, self._sides.view
        known = image is not None and self._sides.place.known
        axis = None if view is None else view.axis
        state = self._sides.place.version, known, axis, PREFERENCE.value, image is None
        if state == self._followed:  # most slices are of the plane before
            return
        self._followed = state
        self.convention.setEnabled(known)
        self.convention.setVisible(known or image is None)
        self.unknown.setVisible(not known and image is not None)
        self.convention.blockSignals(True)
        self.convention.setCurrentText(PREFERENCE.value)
        self.convention.blockSignals(False)
        for plane, button in enumerate(self.buttons):
            axis = self._axis_of(plane)
            name = "zyx"[axis]
            if image is not None and known:
                name = plane_name(self._sides.place.geometry, axis, known=True)
            button.setText(name)
            button.setToolTip(f"Show the {name} plane" if known else f"Slice across {name}")
            button.setEnabled(image is not None)
            button.setChecked(view is not None and view.axis == axis)
