"""What parts of the program say on the canvas beside the legend: what is shown, in which colour."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from psygnal import Signal

from napari_attn_unet.plugin.kit.dock import memory

Colour = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the legend.

    Attributes
    ----------
    text
        In a few words.
    colour
        (r, g, b, a), or None for the legend's own.
    position
        Of napari's canvas overlays, such as "top_left".
    """

    text: str
    colour: Colour | None = None
    position: str = "top_left"


class Told:
    """Lines by who says them; the legend writes them on the canvas."""

    changed = Signal()
    """Other lines than before."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, tuple[Line, ...]] = {}

    @property
    def lines(self) -> list[Line]:
        """All lines, in the order in which they were said first."""
        return [line for lines in self._lines.values() for line in lines]

    def say(self, who: Hashable, lines: Sequence[Line]) -> None:
        """Say something in place of what one has said before; nothing takes it back."""
        if tuple(lines) == self._lines.get(who, ()):
            return
        if lines:
            self._lines[who] = tuple(lines)
        else:
            self._lines.pop(who, None)
        self.changed.emit()


def told_of(viewer: Any) -> Told:
    """Return what is told on a viewer's canvas."""
    told: Told = memory(viewer, "told").setdefault("told", Told())
    return told


def rgba(colour: str) -> Colour:
    """Return "#rrggbb" as (r, g, b, a)."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue, 1.0
