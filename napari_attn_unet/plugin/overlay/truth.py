"""The chosen truth as a white line, and in its classes' colours wherever it is filled."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap
from psygnal import Signal

from napari_attn_unet.plugin.choice import Choice
from napari_attn_unet.plugin.kit.dock import Dock, memory
from napari_attn_unet.plugin.kit.looks import Looks, Rank
from napari_attn_unet.plugin.kit.navigate import grid
from napari_attn_unet.plugin.layers import CLASSES
from napari_attn_unet.plugin.overlay.outline import WHITE, Outline
from napari_attn_unet.plugin.overlay.told import Line, told_of

_OTHER = (0.75, 0.75, 0.75, 1.0)
"""Of labels that are no class."""


class Claims:
    """Who else shows the truth, each in a way of its own."""

    changed = Signal()

    def __init__(self) -> None:
        self._who: set[Hashable] = set()

    def __bool__(self) -> bool:
        return bool(self._who)

    def claim(self, who: Hashable) -> None:
        """Show it from now on."""
        self._who.add(who)
        self.changed.emit()

    def release(self, who: Hashable) -> None:
        """Show it no more."""
        self._who.discard(who)
        self.changed.emit()


def claims_of(viewer: Any) -> Claims:
    """Return who shows the truth in a viewer."""
    claims: Claims = memory(viewer, "truth").setdefault("claims", Claims())
    return claims


class Truth:
    """Draws the truth as a line: a fill would hide the gate, or mix with it.

    Parameters
    ----------
    dock
        With it the truth looks as it did.
    choice
        Whose truth it is.
    """

    def __init__(self, dock: Dock, choice: Choice) -> None:
        self._dock, self._choice, self._viewer = dock, choice, dock.viewer
        self._looks = Looks()
        self._truth: Labels | Image | None = None
        self._classes: Any = ()
        self._outline: Outline | None = None
        self._told, self._claims = told_of(dock.viewer), claims_of(dock.viewer)
        dock.connect(choice.changed, self._chosen)
        dock.connect(self._claims.changed, self._show)
        dock.connect(grid(dock.viewer).events.enabled, self._show)
        dock.on_close(self._let_go)
        self._chosen()

    @property
    def outline(self) -> Outline | None:
        """The line, while it is drawn."""
        return self._outline

    def _chosen(self) -> None:
        truth, mask = self._choice.truth, self._choice.mask
        classes = () if mask is None else mask.metadata.get(CLASSES, ())
        if truth is self._truth and classes == self._classes:
            return
        self._let_go()
        self._truth, self._classes = truth, classes
        if truth is None:
            return
        truth.events.visible.connect(self._show)
        if isinstance(truth, Labels) and classes:
            colours: dict[int | None, Any] = {None: _OTHER, 0: "transparent"}
            colours |= {i: (*info.colour, 1.0) for i, info in list(enumerate(classes))[1:]}
            own = DirectLabelColormap(color_dict=colours)
            self._looks.change(truth, rank=Rank.BASE, colormap=own)
        self._show()

    def _let_go(self) -> None:
        self._looks.restore()
        truth, self._truth, self._classes = self._truth, None, ()
        if truth is not None:
            truth.events.visible.disconnect(self._show)
        self._show()

    def _show(self, _: Any = None) -> None:
        """Draw the line where nobody else shows the truth, and it has no cell of its own."""
        truth = self._truth
        is_seen = truth is not None and truth.visible and truth in self._viewer.layers
        wanted = is_seen and not self._claims and not grid(self._viewer).enabled
        if self._outline is not None and not wanted:
            self._outline.close()
            self._outline = None
        if truth is not None and wanted and self._outline is None:
            self._outline = Outline(self._dock, truth, colour=WHITE)
        self._told.say(self, [Line("white line: truth")] if wanted else [])
