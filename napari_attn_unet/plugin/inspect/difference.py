"""A second checkpoint on the same image: step through what differs most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_attn_unet.errors import RunError
from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.inspect.effects import DIVERGING_TOLD, TOLD, Effects
from napari_attn_unet.plugin.inspect.knockout import DIVERGING
from napari_attn_unet.plugin.inspect.runs import Known, Run, Runs
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.choices import combo
from napari_attn_unet.plugin.kit.columns import Table
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.navigate import go_to
from napari_attn_unet.plugin.kit.settings import NEWS
from napari_attn_unet.plugin.kit.tables import fill, save
from napari_attn_unet.plugin.kit.task import Task
from napari_attn_unet.plugin.kit.text import Text
from napari_attn_unet.plugin.placement import placed, remembered
from napari_attn_unet.prediction import Progress
from napari_attn_unet.scores.components import MapComponent, map_components
from napari_attn_unet.table import Row, column

if TYPE_CHECKING:
    from napari_attn_unet.gates.difference import Difference

MOST = 200
"""Components listed at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceRow(Row):
    """A component of the difference Δ; z, y, x is where Δ is largest. See `MapComponent`."""

    number: int = column("component")
    total: float = column("sum of |Δ|")
    value: float = column("largest Δ")
    voxels: int = column("voxels")
    mm3: float | None = column("mm³", None)
    z: int = column("z")
    y: int = column("y")
    x: int = column("x")


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    run: Run
    difference: Difference
    names: tuple[str, str]


class DifferenceTab(QWidget):
    """Run another checkpoint, show second − first, and list the components by size."""

    def __init__(self, state: State, runs: Runs) -> None:
        super().__init__()
        self._state, self._runs = state, runs
        self._found: _Found | None = None
        self._layer: Image | None = None
        self._effects = Effects(state)
        self._at = -1
        self.components: list[MapComponent] = []
        self.second = combo(
            "The checkpoint to compare with the one of the result. Browse… in the Segment widget "
            "adds others."
        )
        self.message = Text()
        self.task = Task(
            state.dock,
            "Compare the checkpoints",
            "Run both on the image and show where they differ.",
            self._prepare,
            self._show,
            self.message.setText,
        )
        self.what = combo("What is compared: second minus first. Orange is more, blue is less.")
        self.threshold = QDoubleSpinBox()
        self.threshold.setRange(0.01, 1.0)
        self.threshold.setSingleStep(0.05)
        self.threshold.setValue(0.25)
        self.threshold.setToolTip(
            "A component is connected voxels where the difference is at least this, either way."
        )
        self.previous = QPushButton("◂ component")
        self.previous.setToolTip("Go to the component before, which is larger.")
        self.next = QPushButton("component ▸")
        self.next.setToolTip("Go to the next component; the largest comes first.")
        self.table = Table("second", ("component", "largest", "voxels"))
        self.table.setToolTip("The components. Click one to see it; click a header to sort.")
        self.save = QPushButton("Save…")
        self.save.setToolTip("Save the table as CSV.")
        self._listing = Latest(
            state.dock,
            self._prepare_list,
            self._listed,
            lambda error: self.message.setText(str(error)),
        )
        self._arrange()
        self.what.currentIndexChanged.connect(self._list)
        self.threshold.valueChanged.connect(self._list)
        self.previous.clicked.connect(lambda: self.step(-1))
        self.next.clicked.connect(lambda: self.step(1))
        self.table.cellClicked.connect(self._clicked)
        self.save.clicked.connect(self._save)
        state.chosen.connect(self._offer)
        state.left.connect(self._forget)
        state.dock.connect(NEWS.checkpoints, self._offer)

    def _arrange(self) -> None:
        form = QFormLayout()
        form.addRow("second", self.second)
        run = QHBoxLayout()
        run.addWidget(self.task, 1)
        run.addWidget(self.save)
        form.addRow(run)
        form.addRow("difference of", self.what)
        form.addRow("at least", self.threshold)
        line = QHBoxLayout()
        for button in (self.previous, self.next):
            line.addWidget(button)
        line.addStretch()
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addLayout(line)
        column.addWidget(self.message)
        column.addWidget(self.table, 1)

    def _offer(self) -> None:
        """Offer the checkpoints that are known here, but for the one of the result."""
        result = self._state.result
        name = None if result is None else result.provenance.get("checkpoint_file")
        kept = self.second.currentData()
        self.second.clear()
        for title, path in self._runs.checkpoints():
            if Path(path).name != name:
                self.second.addItem(title, path)
        if kept is not None:
            self.second.setCurrentIndex(max(self.second.findData(kept), 0))

    def _forget(self) -> None:
        """Say no more of a result that is not looked at."""
        self._found = None
        self.what.clear()
        self._list()
        self.message.setText("")

    def _prepare(self) -> Any:
        run = self._runs.prepare()
        path: str | None = self.second.currentData()
        if path is None:
            msg = "No other checkpoint is known here. Open one in the Segment widget with Browse…."
            raise RunError(msg)

        def steps() -> workers.Work:
            from napari_attn_unet.gates.difference import compare  # noqa: PLC0415  (torch)

            yield Progress("loading the networks", 0.0)
            first = self._runs.predictor(run)
            second = self._runs.predictor(replace(run, checkpoint=Known(path, (Path(path),))))
            difference = yield from compare(first, second, run.volume)
            return _Found(
                run, difference, (first.checkpoint.card.name, second.checkpoint.card.name)
            )

        return steps

    def _show(self, found: _Found) -> None:
        self._found = found
        self.what.blockSignals(True)
        self.what.clear()
        for name, value in found.difference.maps().items():
            self.what.addItem(name, value)
        self.what.blockSignals(False)
        if not self.what.count():
            self.message.setText(
                "These checkpoints have nothing in common: no class of the same name, and no gate "
                "on the same grid."
            )
            self._found = None
        self._list()

    def _list(self, _: Any = None) -> None:
        """Show the difference that is chosen, and list its components."""
        self._at = -1
        self.components = []
        fill(self.table, self.rows())
        if self._found is not None and self.what.currentData() is not None:
            self._show_layer(*self.what.currentData())
        self._listing.now()

    def _prepare_list(self) -> Callable[[], workers.Work] | None:
        found, what = self._found, self.what.currentData()
        if found is None or what is None:
            return None
        (values, _), name, threshold = what, self.what.currentText(), self.threshold.value()

        def steps() -> workers.Work:
            yield None
            components = map_components(values, threshold)[:MOST]
            return found, name, components, float(abs(values).max())

        return steps

    def _listed(self, listed: tuple[_Found, str, list[MapComponent], float]) -> None:
        found, name, components, largest = listed
        if found is not self._found:
            return
        self.components = components
        first, second = found.names
        self.message.setText(
            f"{second} − {first}: {len(components)} components; "
            f"the largest difference of {name} is {largest:.2f}."
        )
        fill(self.table, self.rows())

    @property
    def busy(self) -> bool:
        """Whether a list is on its way."""
        return self._listing.busy

    def _show_layer(self, values: Any, geometry: Any) -> None:
        assert self._found is not None  # noqa: S101  (for the type checker)
        first, second = self._found.names
        placement = self._found.run.placement
        about = {layers.OUTPUT: {"effect": f"{second} − {first}", "image": placement.name}}
        options = {
            "name": f"{placement.name} · {second} − {first}",
            "colormap": DIVERGING,
            "contrast_limits": (-1.0, 1.0),
            "blending": "translucent",
            "opacity": 0.7,
            "rgb": False,
            "metadata": about
            | remembered(placement, geometry)
            | {"what": self.what.currentText()}
            | {TOLD: (f"{self.what.currentText()}: {second} − {first}", DIVERGING_TOLD)},
            **placed(placement, geometry, 3),
        }
        shown = self._effects.show([(values, options, "image")])
        self._layer = shown[0] if isinstance(shown[0], Image) else None

    def rows(self) -> list[DifferenceRow]:
        """Return the components as a table."""
        voxel = None
        if self._found is not None and self.what.currentData() is not None:
            voxel = self.what.currentData()[1].voxel_mm3
        return [
            DifferenceRow(
                number=number,
                total=c.total,
                value=c.value,
                voxels=c.voxels,
                mm3=None if voxel is None else c.voxels * voxel,
                z=c.peak[0],
                y=c.peak[1],
                x=c.peak[2],
            )
            for number, c in enumerate(self.components, 1)
        ]

    def _save(self) -> None:
        save(self, "difference.csv", self.rows(), self.message.setText)

    def step(self, by: int) -> None:
        """Go to the next component, or the one before."""
        if self.components:
            self.go_to(min(max(self._at + by, 0), len(self.components) - 1))

    def _clicked(self, row: int, _: int) -> None:
        item = self.table.item(row, 0)
        if item is not None:
            self.go_to(int(item.text()) - 1)

    def go_to(self, index: int) -> None:
        """Show a component."""
        self._at = index
        component = self.components[index]
        if self._layer is None or self._layer not in self._state.viewer.layers:
            self._show_layer(*self.what.currentData())
        size = [part.stop - part.start for part in component.box]
        assert self._layer is not None  # noqa: S101  (for the type checker: just shown)
        go_to(self._state.viewer, self._layer, component.peak, size)
        self.message.setText(
            f"Component {index + 1} of {len(self.components)}: {component.voxels} voxels, up to "
            f"{component.value:+.2f}."
        )
