"""Scrolling through a volume: napari alone, and with the strip and Inspect open.

`xvfb-run python -m benchmarks.scrolling [EDGE]`: a window is needed, real or virtual.
"""

from __future__ import annotations

import sys
import time
from statistics import median
from typing import Any

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from benchmarks.measure import table
from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.overlay.below import Below
from napari_attn_unet.prediction import ClassInfo, GateMap, Prediction
from napari_attn_unet.volume import Geometry

SLICES, ROUNDS, RADIUS = 40, 3, 0.14
SETTLE = 3.0
"""Seconds for what is computed on threads once a window has opened."""


def result(edge: int) -> Prediction:
    """Return a mask of two blobs and four gates, as of a network of five levels."""
    z, y, x = (np.arange(edge) / edge - 0.5 for _ in range(3))
    mask = np.zeros((edge,) * 3, np.uint8)
    for label, centre in ((1, -0.15), (2, 0.15)):
        away = z[:, None, None] ** 2 + y[:, None] ** 2 + (x - centre) ** 2
        mask[away < RADIUS**2] = label
    whole = Geometry.from_spacing(unit="mm")
    random = np.random.default_rng(0)
    gates = tuple(
        GateMap(
            random.random((edge // 2**k,) * 3, np.float32),
            whole.regridded((2**k,) * 3, (0, 0, 0)),
            k,
        )
        for k in range(1, 5)
    )
    classes = tuple(ClassInfo.numbered(i, n) for i, n in enumerate(("background", "one", "two")))
    about = {"image": "volume", "date": "now", "checkpoint": "benchmark"}
    return Prediction(mask, whole, classes, gates, provenance=about)


def settle(seconds: float) -> None:
    """Let Qt do what is due."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        QApplication.processEvents()


def scroll(viewer: Any, edge: int) -> list[float]:
    """Return the seconds that each of some slices takes until it is drawn."""
    taken = []
    for index in np.linspace(edge // 4, 3 * edge // 4, SLICES).astype(int):
        start = time.perf_counter()
        viewer.dims.set_point(0, int(index))
        for _ in range(4):  # the slider, the timers of what follows it, and what they ask for
            QApplication.processEvents()
        taken.append(time.perf_counter() - start)
    return taken


def main(edge: int = 256) -> None:
    """Print the table."""
    viewer = napari.Viewer()
    viewer.window.resize(1280, 800)
    image = np.random.default_rng(1).random((edge,) * 3, np.float32)
    viewer.add_image(image, name="volume", units="mm")
    _, placement = layers.to_volumes(viewer.layers["volume"])
    layers.show(viewer, layers.from_prediction(result(edge), placement), keep_old=False)
    alone: list[float] = []
    beside: list[float] = []
    drawn: list[float] = []
    for _ in range(ROUNDS):
        settle(SETTLE)
        alone += scroll(viewer, edge)
        dock, _ = viewer.window.add_plugin_dock_widget("napari-attn-unet", "Inspect")
        settle(2 * SETTLE)
        beside += scroll(viewer, edge)
        below = next(w for w in viewer.window.dock_widgets.values() if isinstance(w, Below))
        for _ in range(10):
            start = time.perf_counter()
            below.strip.draw()
            QApplication.processEvents()
            drawn.append(time.perf_counter() - start)
        viewer.window.remove_dock_widget(dock)
    one, two = median(alone), median(beside)
    rows = [
        ["napari alone", f"{1e3 * one:.1f} ms", "1.00", ""],
        [
            "with the strip and Inspect",
            f"{1e3 * two:.1f} ms",
            f"{two / one:.2f}",
            f"{1e3 * (two - one):+.1f} ms",
        ],
        ["the strip of four gates, drawn alone", f"{1e3 * median(drawn):.1f} ms", "", ""],
    ]
    print(table([f"{edge}³, a slice", "median", "ratio", "more than alone"], rows))
    viewer.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
