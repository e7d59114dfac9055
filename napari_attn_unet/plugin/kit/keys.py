"""Keys of the docked widgets: known to napari, which lists them and lets them be changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary, WeakSet

from napari.components import ViewerModel
from napari.settings import get_settings
from napari.utils.action_manager import action_manager
from qtpy.QtWidgets import QLabel

from napari_attn_unet.plugin.kit.dock import Dock, model_of

Key = tuple[str, str, str]
"""Name of the action, default key, what it does."""
HOLD = "hold_"
"""An action whose name begins so is done while its key is down, and undone after."""


class Keyed(Protocol):
    """A widget that does what keys ask for."""

    @property
    def viewer(self) -> Any:
        """The viewer whose keys it listens to."""

    def do(self, action: str) -> None:
        """Do what a key stands for; of an action that is held, also its end."""


_listeners: WeakKeyDictionary[Keyed, frozenset[str]] = WeakKeyDictionary()
"""Who listens to which actions; a widget that is gone listens no more."""


def listen(widget: Keyed, dock: Dock, keys: Sequence[Key]) -> None:
    """Let a widget listen to keys, until its dock closes."""
    _listeners[widget] = frozenset(name for name, _, _ in keys)
    dock.on_close(_listeners.pop, widget, None)
    for name, key, what in keys:
        full = f"napari-attn-unet:{name}"
        if full in action_manager._actions:  # noqa: SLF001  (there is no public way to ask)
            continue
        act = _held(name) if name.startswith(HOLD) else _pressed(name)
        action_manager.register_action(full, act, f"Attention U-Net: {what}", ViewerModel)
        saved = get_settings().shortcuts.shortcuts.get(full)  # what the user has made of it
        for binding in [key] if saved is None else saved:
            action_manager.bind_shortcut(full, binding)


def legend(keys: Sequence[Key], words: str = "") -> QLabel:
    """Return a line that tells the keys; what each does at length is its tooltip.

    Parameters
    ----------
    keys
        That are told.
    words
        What they do in few words, each key by the name of its action: "side by side {grid}".
        Without, the keys alone are told.
    """
    told = [(_bound(name) or key, what) for name, key, what in keys]
    names = [name for name, _, _ in keys]
    bound = dict(zip(names, (key for key, _ in told), strict=True))
    line = QLabel(
        "Keys: "
        + (words.format(**bound) if words else " · ".join(bound.values()) + " (point here)")
    )
    line.setWordWrap(True)
    rows = "".join(f"<tr><td><b>{key}</b>&nbsp;</td><td>{what}</td></tr>" for key, what in told)
    line.setToolTip(f"<table>{rows}</table>Change these keys in Preferences → Shortcuts.")
    return line


def _bound(name: str) -> str:
    """Return the keys that an action has now."""
    bound = action_manager._shortcuts.get(f"napari-attn-unet:{name}", ())  # noqa: SLF001
    return ", ".join(str(key) for key in bound)


def _of(viewer: Any, name: str) -> list[Keyed]:
    """Return who listens to an action in a viewer."""
    return [
        widget
        for widget, names in _listeners.items()
        if name in names and model_of(widget.viewer) is model_of(viewer)
    ]


def _pressed(name: str) -> Any:
    def act(viewer: Any) -> None:
        for widget in _of(viewer, name):
            widget.do(name)

    return act


def _held(name: str) -> Any:
    def act(viewer: Any) -> Iterator[None]:
        begun = WeakSet(_of(viewer, name))
        for widget in list(begun):
            widget.do(name)
        yield
        for widget in _of(viewer, name):  # what was closed meanwhile has given all back
            if widget in begun:
                widget.do(name)

    return act
