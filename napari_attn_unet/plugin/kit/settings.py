"""What a widget remembers from one session to the next."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from magicgui.widgets import CheckBox, FloatSpinBox, SpinBox
from psygnal import Signal
from qtpy.QtCore import QSettings

from napari_attn_unet.network.library import bundled

REMEMBERED = 8
"""Checkpoint files of the user's own that are offered again."""


class _News:
    """What one widget's settings tell all others."""

    checkpoints = Signal()
    """A checkpoint file was opened, or is none."""


NEWS = _News()


class Settings:
    """Values of controls, by name, and the checkpoint files that were opened.

    Parameters
    ----------
    widget
        Name of the widget; each has a file of its own.
    """

    def __init__(self, widget: str) -> None:
        self._file = QSettings(
            QSettings.Format.IniFormat, QSettings.Scope.UserScope, "napari-attn-unet", widget
        )

    def value(self, name: str, default: Any = None) -> Any:
        """Return a kept value, as text where it came from the file."""
        return self._file.value(name, default)

    def number(self, name: str, default: float) -> float:
        """Return a kept number; the default where there is none, or something else."""
        try:
            return float(self._file.value(name, default))
        except (TypeError, ValueError):
            return default

    def follow(self, controls: dict[str, Any]) -> None:
        """Give every magicgui control its kept value, if that is still on offer; keep changes."""
        for name, control in controls.items():
            control.changed.connect(partial(self.keep, name))
            value = self._file.value(name)
            if value is None:
                continue
            with suppress(TypeError, ValueError):  # of another version, or edited: as if unset
                if isinstance(control, CheckBox):
                    control.value = value in (True, "true")
                elif isinstance(control, SpinBox):
                    control.value = int(value)
                elif isinstance(control, FloatSpinBox):
                    control.value = float(value)
                elif value in control.choices:
                    control.value = value

    def keep(self, name: str, value: Any) -> None:
        """Remember a value; None is not worth it."""
        if value is not None:
            self._file.setValue(name, value)

    def checkpoints(self) -> list[tuple[str, str]]:
        """Return (name, path) of the checkpoints that ship and of those opened before."""
        ships = [(name, str(path)) for name, path in bundled().items()]
        return ships + [(Path(p).name, p) for p in self._opened() if Path(p).is_file()]

    def opened(self, path: str) -> None:
        """Remember a checkpoint file."""
        others = [p for p in self._opened() if p != path]
        self._file.setValue("seen", [path, *others][:REMEMBERED])
        NEWS.checkpoints.emit()

    def forget(self, path: str) -> None:
        """Offer a file no more: it is no checkpoint."""
        known = self._opened()
        if path in known:
            self._file.setValue("seen", [p for p in known if p != path])
            NEWS.checkpoints.emit()

    def _opened(self) -> list[str]:
        seen = self._file.value("seen", [])
        return [seen] if isinstance(seen, str) else list(seen or [])
