"""Scrolling through a volume: napari alone, and with the strip and Inspect open.

`python -m benchmarks.scrolling [EDGE]` in a window, real or virtual. Until a slice is drawn says
what a person waits for; of that, the time of the window's thread is what the program takes itself:
the rest is OpenGL's, which without a graphics card draws on the processor.
"""

from __future__ import annotations

import os
import shutil
import subprocess
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


Times = list[tuple[float, float]]
"""Seconds until something is drawn, and seconds of the window's thread."""


def now() -> tuple[float, float]:
    """Return both clocks."""
    return time.perf_counter(), time.thread_time()


def since(start: tuple[float, float]) -> tuple[float, float]:
    """Return what both clocks have run since."""
    return time.perf_counter() - start[0], time.thread_time() - start[1]


def scroll(viewer: Any, edge: int) -> Times:
    """Return what each of some slices takes."""
    taken = []
    for index in np.linspace(edge // 4, 3 * edge // 4, SLICES).astype(int):
        start = now()
        viewer.dims.set_point(0, int(index))
        for _ in range(4):  # the slider, the timers of what follows it, and what they ask for
            QApplication.processEvents()
        taken.append(since(start))
    return taken


def scrolling(*, quick: bool) -> str:
    """Time scrolling in a process of its own, in a virtual window where there is no real one."""
    virtual = [] if os.environ.get("DISPLAY") else [shutil.which("xvfb-run") or "xvfb-run", "-a"]
    command = [*virtual, sys.executable, "-m", "benchmarks.scrolling", "128" if quick else "256"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    return "\n".join(line for line in done.stdout.splitlines() if line.startswith("|"))


def main(edge: int = 256) -> None:
    """Print the table."""
    viewer = napari.Viewer()
    viewer.window.resize(1280, 800)
    image = np.random.default_rng(1).random((edge,) * 3, np.float32)
    viewer.add_image(image, name="volume", units="mm")
    _, placement = layers.to_volumes(viewer.layers["volume"])
    layers.show(viewer, layers.from_prediction(result(edge), placement), keep_old=False)
    alone: Times = []
    beside: Times = []
    drawn: Times = []
    for _ in range(ROUNDS):
        settle(SETTLE)
        alone += scroll(viewer, edge)
        dock, _ = viewer.window.add_plugin_dock_widget("napari-attn-unet", "Inspect")
        settle(2 * SETTLE)
        beside += scroll(viewer, edge)
        below = next(w for w in viewer.window.dock_widgets.values() if isinstance(w, Below))
        for _ in range(10):
            start = now()
            below.strip.draw()
            for pane, _ in below.strip.cells.values():
                pane.repaint()
            drawn.append(since(start))
        viewer.window.remove_dock_widget(dock)
    rows = []
    named = (
        ("napari alone", alone),
        ("with the strip and Inspect", beside),
        ("the strip of four gates", drawn),
    )
    for name, times in named:
        row = [name]
        for clock in (0, 1):
            took, base = (median(t[clock] for t in some) for some in (times, alone))
            more = f"{1e3 * (took - base):+.1f} ms" if times is beside else ""
            row += [f"{1e3 * took:.1f} ms", f"{took / base:.2f}", more]
        rows.append(row)
    clocks = [["until it is drawn", "of alone", "more"], ["window's thread", "of alone", "more"]]
    print(table([f"a slice of {edge}³", *clocks[0], *clocks[1]], rows))
    viewer.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
