"""The chosen truth in its classes' colours, faint enough for what lies under it to be seen."""

from __future__ import annotations

from typing import Any

from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_attn_unet.plugin.choice import Choice
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.looks import Looks, Rank
from napari_attn_unet.plugin.layers import CLASSES
from napari_attn_unet.plugin.overlay.told import Line, told_of

FILL = 0.35
"""Opacity of what lies below an outline."""
_OTHER = (0.75, 0.75, 0.75, 1.0)
"""Of labels that are no class."""


class Truth:
    """Fills the truth in the colours of the classes that have its numbers, and says so.

    Compare, which knows which label is which class, may colour it otherwise meanwhile.

    Parameters
    ----------
    dock
        With it the truth looks as it did.
    choice
        Whose truth it is.
    """

    def __init__(self, dock: Dock, choice: Choice) -> None:
        self._choice, self._viewer = choice, dock.viewer
        self._looks = Looks()
        self._truth: Labels | None = None
        self._shown: tuple[Any, ...] = ()
        self._told = told_of(dock.viewer)
        dock.connect(choice.changed, self._chosen)
        dock.connect(self._told.changed, self._tell)
        dock.on_close(self._let_go)
        self._chosen()

    def _chosen(self) -> None:
        truth, mask = self._choice.truth, self._choice.mask
        classes = () if mask is None else mask.metadata.get(CLASSES, ())
        shown = truth, classes
        if shown == self._shown:
            return
        self._let_go()
        self._shown = shown
        if isinstance(truth, Labels) and classes:
            self._truth = truth
            colours: dict[int | None, Any] = {None: _OTHER, 0: "transparent"}
            colours |= {i: (*info.colour, 1.0) for i, info in list(enumerate(classes))[1:]}
            own = DirectLabelColormap(color_dict=colours)
            self._looks.change(truth, rank=Rank.BASE, colormap=own, opacity=FILL)
            truth.events.visible.connect(self._tell)
            self._tell()

    def _let_go(self) -> None:
        self._looks.restore()
        truth, self._truth, self._shown = self._truth, None, ()
        if truth is not None:
            truth.events.visible.disconnect(self._tell)
            self._tell()

    def _tell(self, _: Any = None) -> None:
        truth, others = self._truth, self._told.by_others(self)
        is_seen = truth is not None and truth.visible and truth in self._viewer.layers
        # A view of Compare's has its own words for it.
        says = is_seen and not any("truth" in line.text for line in others)
        self._told.say(self, [Line("fill: truth")] if says else [])
