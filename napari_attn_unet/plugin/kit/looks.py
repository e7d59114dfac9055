"""Who changed how a layer looks: borrowed attributes come back exactly, in any order.

Several views may want a layer hidden, or in another colour, at the same time. Each borrows; the
latest borrower's value is shown; when it lets go, the one before it, and after the last of them
what was there before them all. What the user changes meanwhile of a borrowed attribute goes back
with it.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any
from weakref import WeakKeyDictionary

from napari.layers import Layer


class _Borrowed:
    """An attribute of a layer: its own value, and the borrowers' in the order they came."""

    def __init__(self, own: Any) -> None:
        self.own = own
        self.values: dict[Looks, Any] = {}

    @property
    def shown(self) -> Any:
        return next(reversed(self.values.values()), self.own)


_BORROWED: WeakKeyDictionary[Layer, dict[str, _Borrowed]] = WeakKeyDictionary()


class Looks:
    """A borrower of layers' attributes, which gives them back all at once."""

    def __init__(self) -> None:
        self._layers: list[Layer] = []

    def __bool__(self) -> bool:
        return bool(self._layers)

    def change(self, layer: Layer, **attributes: Any) -> None:
        """Set attributes; "colorbar__visible" is `layer.colorbar.visible`."""
        if layer not in self._layers:
            self._layers.append(layer)
        borrowed = _BORROWED.setdefault(layer, {})
        for name, value in attributes.items():
            if name not in borrowed:
                borrowed[name] = _Borrowed(attrgetter(name.replace("__", "."))(layer))
            borrowed[name].values.pop(self, None)
            borrowed[name].values[self] = value
            _set(layer, name, value)

    def restore(self) -> None:
        """Let go of everything."""
        layers, self._layers = self._layers, []
        for layer in layers:
            borrowed = _BORROWED.get(layer, {})
            for name, attribute in list(borrowed.items()):
                if self not in attribute.values:
                    continue
                is_shown = next(reversed(attribute.values)) is self
                del attribute.values[self]
                if is_shown:
                    _set(layer, name, attribute.shown)
                if not attribute.values:
                    del borrowed[name]


def _set(layer: Layer, name: str, value: Any) -> None:
    *path, last = name.split("__")
    owner = attrgetter(".".join(path))(layer) if path else layer
    setattr(owner, last, value)
