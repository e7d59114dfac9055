"""Who changed how a layer looks: borrowed attributes come back exactly, in any order.

Several views may want a layer hidden, or in another colour, at the same time. Each borrows; the
latest borrower's value is shown, unless another's ranks higher. When it lets go, the one before it
is shown, and after the last of them what was there before them all. What the user changes
meanwhile of a borrowed attribute goes back with it.
"""

from __future__ import annotations

from enum import IntEnum
from operator import attrgetter
from typing import Any
from weakref import WeakKeyDictionary

from napari.layers import Layer


class Rank(IntEnum):
    """Which of two borrowers is shown, whoever came first."""

    BASE = 0
    """What a layer is like while nothing else is asked of it."""
    LINES = 1
    """An outline in place of the fill."""
    VIEW = 2
    """A way to look that was asked for."""


class _Borrowed:
    """An attribute of a layer: its own value, and the borrowers' in the order they came."""

    def __init__(self, own: Any) -> None:
        self.own = own
        self.values: dict[Looks, tuple[Rank, Any]] = {}

    def add(self, who: Looks, rank: Rank, value: Any) -> None:
        self.values.pop(who, None)
        self.values[who] = rank, value
        self.values = dict(sorted(self.values.items(), key=lambda item: item[1][0]))

    @property
    def shown(self) -> Any:
        return next(reversed(self.values.values()), (None, self.own))[1]


_BORROWED: WeakKeyDictionary[Layer, dict[str, _Borrowed]] = WeakKeyDictionary()


class Looks:
    """A borrower of layers' attributes, which gives them back all at once."""

    def __init__(self) -> None:
        self._layers: list[Layer] = []

    def __bool__(self) -> bool:
        return bool(self._layers)

    def change(self, layer: Layer, *, rank: Rank = Rank.VIEW, **attributes: Any) -> None:
        """Set attributes; "colorbar__visible" is `layer.colorbar.visible`."""
        if layer not in self._layers:
            self._layers.append(layer)
        borrowed = _BORROWED.setdefault(layer, {})
        for name, value in attributes.items():
            if name not in borrowed:
                borrowed[name] = _Borrowed(attrgetter(name.replace("__", "."))(layer))
            borrowed[name].add(self, rank, value)
            if self.shows(layer, name):
                _set(layer, name, value)

    def shows(self, layer: Layer, name: str) -> bool:
        """Whether an attribute of a layer is as this borrower wants it."""
        borrowed = _BORROWED.get(layer, {}).get(name)
        return borrowed is not None and next(reversed(borrowed.values), None) is self

    def restore(self) -> None:
        """Let go of everything."""
        layers, self._layers = self._layers, []
        for layer in layers:
            borrowed = _BORROWED.get(layer, {})
            for name, attribute in list(borrowed.items()):
                if self not in attribute.values:
                    continue
                is_shown = self.shows(layer, name)
                del attribute.values[self]
                if is_shown:
                    _set(layer, name, attribute.shown)
                if not attribute.values:
                    del borrowed[name]


def _set(layer: Layer, name: str, value: Any) -> None:
    *path, last = name.split("__")
    owner = attrgetter(".".join(path))(layer) if path else layer
    setattr(owner, last, value)
