"""Closing docks as a user does, and what must be gone then."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

from napari import Viewer
from napari._qt.widgets.qt_viewer_dock_widget import QtViewerDockWidget
from napari.qt.threading import WorkerBase
from napari.utils.events import EmitterGroup
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QApplication
from vispy.scene.visuals import Line

from napari_attn_unet.plugin.kit import keys, queue
from napari_attn_unet.plugin.layers import OUTPUT
from napari_attn_unet.plugin.overlay.lines import ABOVE_ALL
from napari_attn_unet.plugin.overlay.scene import node_of

OURS = "napari_attn_unet"
WAIT = 180_000
"""Milliseconds that a test waits for what must come: room for a machine that is busy elsewhere.

No test passes or fails by how long something took.
"""


def our_docks(viewer: Viewer) -> list[QtViewerDockWidget]:
    """The docks that hold a widget of ours."""
    window = getattr(viewer.window, "_qt_window", None)  # None once the viewer was closed
    docks = [] if window is None else window.findChildren(QtViewerDockWidget)
    return [dock for dock in docks if _module(dock.inner_widget()).startswith(OURS)]


def close_by_its_x(dock: QtViewerDockWidget) -> list[weakref.ref[Any]]:
    """Click the X of a dock; return references that must be dead once the thread has ended."""
    widget = dock.inner_widget()
    held = [widget, getattr(widget, "_dock", None)]
    references = [weakref.ref(thing) for thing in held if thing is not None]
    dock.title.close_button.click()
    return references


def settle() -> None:
    """Let threads end, their slots be called, and Qt delete what it was asked to."""
    for _ in range(3):
        WorkerBase.await_workers(msecs=WAIT)
        QApplication.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()


def leaks(viewer: Viewer, references: list[weakref.ref[Any]]) -> list[str]:
    """What is still there although its dock was closed."""
    found = [f"widget {thing!r}" for r in references if (thing := r()) is not None]
    found += [f"thread {worker!r}" for worker in WorkerBase._worker_set]
    found += [f"key listener {widget!r}" for widget in keys._listeners]
    found += [f"place in the queue {ticket!r}" for ticket in queue._line]
    found += [
        f"helper layer {layer.name!r}"
        for layer in viewer.layers
        if layer.metadata.get(OUTPUT, {}).get("effect")
    ]
    found += [f"lines {node.name!r}" for node in lines_on(viewer)]
    found += [f"callback {name}: {callback!r}" for name, callback in _callbacks(viewer)]
    return found


def lines_on(viewer: Viewer) -> list[Any]:
    """The vispy nodes of lines of ours that are seen."""
    window = getattr(viewer.window, "_qt_window", None)
    if window is None:
        return []
    scenes = {node_of(viewer, layer).parent for layer in viewer.layers}
    nodes = [node for scene in scenes for node in scene.children if isinstance(node, Line)]
    return [node for node in nodes if node.visible and node.order == ABOVE_ALL]


def _callbacks(viewer: Viewer) -> Iterator[tuple[str, Any]]:
    """Callbacks of ours in the viewer's and its layers' events."""
    models: list[Any] = [viewer, viewer.layers, viewer.dims, viewer.scene.camera, *viewer.layers]
    for model in models:
        group = model.events
        emitters = group.emitters if isinstance(group, EmitterGroup) else {}
        for name, emitter in emitters.items():
            for callback in emitter.callbacks:
                owner = callback[0]() if isinstance(callback, tuple) else callback
                if _module(owner).startswith(OURS):
                    yield f"{type(model).__name__}.{name}", callback
    for name in ("mouse_move_callbacks", "mouse_drag_callbacks", "mouse_wheel_callbacks"):
        for callback in getattr(viewer, name):
            if _module(callback).startswith(OURS):
                yield name, callback


def _module(thing: Any) -> str:
    """Module of a function, or of an object's class."""
    return str(getattr(thing, "__module__", None) or type(thing).__module__)
