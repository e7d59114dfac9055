"""What all tabs look at: one image, one result, its mask and a truth; one choice per viewer."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from napari.layers import Image, Labels
from psygnal import Signal

from napari_attn_unet.plugin.kit.dock import model_of
from napari_attn_unet.plugin.results import Result


class Choice:
    """The layers that Segment, Inspect, Compare and what is drawn on the canvas share.

    Attributes
    ----------
    image
        Lies under the maps.
    result
        The run whose gates are looked at.
    mask
        The prediction: the result's, or another one of the user's choice.
    truth
        What the mask is compared with.
    """

    changed = Signal()
    """Other layers were chosen, by whichever tab."""

    def __init__(self) -> None:
        self.image: Image | None = None
        self.result: Result | None = None
        self.mask: Labels | Image | None = None
        self.truth: Labels | Image | None = None

    def choose(self, **layers: Any) -> None:
        """Choose some of image, result, mask and truth; tell it once, if anything is another."""
        news = {name: layer for name, layer in layers.items() if getattr(self, name) is not layer}
        for name, layer in news.items():
            setattr(self, name, layer)
        if news:
            self.changed.emit()


_CHOICES: WeakKeyDictionary[Any, Choice] = WeakKeyDictionary()


def choice_of(viewer: Any) -> Choice:
    """Return the choice of a viewer."""
    return _CHOICES.setdefault(model_of(viewer), Choice())
