"""Photograph the real program for the README: `make pictures`."""

from __future__ import annotations

import sys
from pathlib import Path

import napari
from napari._qt import qt_main_window

from napari_attn_unet.plugin.demo import Demo

# Private, and for the picture only: the notice about PyQt5 would cover the image.
qt_main_window.SHOW_QT_WARNING = False

demo = Demo(Path(sys.argv[1]), close=True)
napari.run()
sys.exit(demo.exit_code)
