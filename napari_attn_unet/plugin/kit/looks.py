"""What layers looked like before a view changed them, to be given back."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from napari.layers import Layer


class Looks:
    """Changes of layers' attributes that can be taken back all at once."""

    def __init__(self) -> None:
        self._before: dict[Layer, dict[str, Any]] = {}

    def __bool__(self) -> bool:
        return bool(self._before)

    def change(self, layer: Layer, **attributes: Any) -> None:
        """Set attributes; "colorbar__visible" is `layer.colorbar.visible`."""
        kept = self._before.setdefault(layer, {})
        for name, value in attributes.items():
            kept.setdefault(name, attrgetter(name.replace("__", "."))(layer))
            _set(layer, name, value)

    def restore(self) -> None:
        """Give every layer its attributes back."""
        before, self._before = self._before, {}
        for layer, attributes in before.items():
            for name, value in attributes.items():
                _set(layer, name, value)


def _set(layer: Layer, name: str, value: Any) -> None:
    *path, last = name.split("__")
    owner = attrgetter(".".join(path))(layer) if path else layer
    setattr(owner, last, value)
