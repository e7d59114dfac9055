"""Tabs that scroll, and open where they were left."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import QScrollArea, QTabWidget, QWidget

from napari_attn_unet.plugin.kit.settings import Settings

LEAST_HEIGHT = 280
"""Pixels that a page keeps, however low the dock is."""


def tabs(pages: Sequence[tuple[QWidget, str, str]], settings: Settings) -> QTabWidget:
    """Return tabs of (page, name, tooltip); which of them is open is kept in the settings."""
    result = QTabWidget()
    result.setMinimumHeight(LEAST_HEIGHT)
    for page, name, tip in pages:
        area = QScrollArea()
        area.setWidget(page)
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        result.setTabToolTip(result.addTab(area, name), tip)
    names = [name for _, name, _ in pages]
    kept = str(settings.value("tab", names[0]))
    if kept in names:
        result.setCurrentIndex(names.index(kept))
    result.currentChanged.connect(lambda i: settings.keep("tab", names[i]))
    return result
