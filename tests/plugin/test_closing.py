"""A widget that was used and closed leaves its viewer, and the process, as they were."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psutil
import pytest
from docks import close_by_its_x, our_docks, settle
from napari import Viewer
from napari.qt.threading import WorkerBase
from napari.utils.events import EmitterGroup
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_attn_unet.plugin.compare import CompareWidget
from napari_attn_unet.plugin.inspect import InspectWidget
from napari_attn_unet.plugin.kit import keys
from napari_attn_unet.plugin.kit.navigate import grid
from napari_attn_unet.plugin.overlay.below import Below
from napari_attn_unet.plugin.segment import SegmentWidget

TIMES, WARM = 8, 3
MORE = 8e6  # bytes that the allocator may have kept


def segment(qtbot: QtBot, widget: SegmentWidget) -> None:
    qtbot.mouseClick(widget.run.native, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not widget.running)
    assert "mm³" in widget.result.text()


def inspect(qtbot: QtBot, widget: InspectWidget) -> None:
    qtbot.waitUntil(lambda: widget.state.inspection is not None)
    widget.gates.threshold.setValue(0.3)
    widget.gates.contour.setChecked(True)
    qtbot.waitUntil(lambda: not widget.gates.contours.busy)
    assert widget.gates.contours.lines
    widget.gates.solo(2)
    widget.grid.setChecked(True)
    assert grid(widget.viewer).enabled


def compare(qtbot: QtBot, widget: CompareWidget) -> None:
    qtbot.waitUntil(lambda: widget.state.comparison is not None)
    views = widget.by_eye
    views.contour.setChecked(True)
    views.errors.setChecked(True)
    assert "errors · mask · brain" in widget.viewer.layers
    views.checkerboard.setChecked(True)
    assert "checkerboard · mask · brain" in widget.viewer.layers
    views.swipe.setChecked(True)
    assert "swipe · mask · brain" in widget.viewer.layers
    views.grid.setChecked(True)
    assert grid(widget.viewer).enabled


def in_3d(qtbot: QtBot, widget: CompareWidget) -> None:
    qtbot.waitUntil(lambda: widget.state.comparison is not None)
    widget.by_eye.distance.setChecked(True)
    qtbot.waitUntil(lambda: widget.viewer.dims.ndisplay == 3)


def looks(viewer: Viewer) -> list[tuple[Any, ...]]:
    """What the user sees of the layers."""
    return [
        (layer.name, layer.visible, layer.opacity, getattr(layer, "contour", None))
        for layer in viewer.layers
    ]


def callbacks(viewer: Viewer) -> int:
    """How many callbacks the viewer's events have, anybody's; dead ones go with the next event."""
    models = [viewer, viewer.layers, viewer.dims, viewer.scene.camera, *viewer.layers]
    groups = [model.events for model in models if isinstance(model.events, EmitterGroup)]
    heard = [
        callback
        for group in groups
        for emitter in group.emitters.values()
        for callback in emitter.callbacks
        if not isinstance(callback, tuple) or callback[0]() is not None
    ]
    lists = (viewer.mouse_move_callbacks, viewer.mouse_drag_callbacks, viewer.mouse_wheel_callbacks)
    return len(heard) + sum(map(len, lists))


def left_over(viewer: Viewer) -> dict[str, Any]:
    """What must be the same after every closing."""
    return {
        "layers": looks(viewer),
        "grid": grid(viewer).enabled,
        "key listeners": len(keys._listeners),
        "workers": len(WorkerBase._worker_set),
        "threads": threading.active_count(),
        "callbacks": callbacks(viewer),
        "docks": len(our_docks(viewer)),
    }


@pytest.fixture
def viewer(qtbot: QtBot, widget: SegmentWidget) -> Iterator[Viewer]:
    """A viewer with an image, its result, and a truth; no dock is open."""
    viewer = widget._viewer
    segment(qtbot, widget)
    truth = np.roll(viewer.layers["mask · brain"].data, 3, axis=1)
    table = viewer.layers["mask · brain"].features
    viewer.add_labels(truth, name="truth", scale=(2, 1, 1), units=("mm",) * 3, features=table)
    for dock in our_docks(viewer):
        close_by_its_x(dock)
    settle()
    gc.freeze()  # what stays need not be looked through by napari's collections
    yield viewer
    gc.unfreeze()


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("Segment", segment),
        ("Inspect", inspect),
        ("Compare", compare),
        ("Compare", in_3d),
    ],
    ids=["segment", "inspect", "compare", "in 3D"],
)
def test_a_used_widget_leaves_nothing_behind(
    qtbot: QtBot, viewer: Viewer, name: str, use: Callable[[QtBot, Any], None]
) -> None:
    process = psutil.Process()
    before: dict[str, Any] = {}
    memory = 0
    layers = looks(viewer)
    for time in range(TIMES):
        use(qtbot, viewer.window.add_plugin_dock_widget("napari-attn-unet", name)[1])
        (dock,) = (d for d in our_docks(viewer) if not isinstance(d.inner_widget(), Below))
        references = close_by_its_x(dock)
        del dock
        settle()
        assert [reference() for reference in references] == [None, None]
        assert looks(viewer) == layers
        assert not our_docks(viewer)
        assert viewer.dims.ndisplay == 2
        if time == WARM:
            before, memory = left_over(viewer), process.memory_info().rss
        if time > WARM:
            assert left_over(viewer) == before
    gc.collect()
    assert process.memory_info().rss < memory + MORE
