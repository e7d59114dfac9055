"""Knock-out: force gates, see what the mask does. Grad-CAM beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import Colormap, DirectLabelColormap
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_attn_unet.engine.intervention import KINDS, Intervention
from napari_attn_unet.errors import RunError
from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.inspect.class_box import ClassBox
from napari_attn_unet.plugin.inspect.effects import DIVERGING_TOLD, TOLD, Effects
from napari_attn_unet.plugin.inspect.runs import Run, Runs
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.choices import combo
from napari_attn_unet.plugin.kit.columns import Table
from napari_attn_unet.plugin.kit.navigate import plane_on_screen
from napari_attn_unet.plugin.kit.tables import fill, save
from napari_attn_unet.plugin.kit.task import Task
from napari_attn_unet.plugin.kit.text import Text
from napari_attn_unet.plugin.placement import Placement, placed, remembered
from napari_attn_unet.prediction import Progress
from napari_attn_unet.report.picture import LESS, MORE

if TYPE_CHECKING:
    from napari_attn_unet.gates.knockout import Effect, EffectRow
    from napari_attn_unet.prediction import GateMap, Prediction

DIVERGING = Colormap([(*LESS, 1.0), (0.5, 0.5, 0.5, 0.0), (*MORE, 1.0)], name="less to more")
"""Blue is less, orange more; where nothing changes the image shows."""
CHANGED_TOLD = "filled: its label is now that colour's class, white: none"
CAUTION = (
    "A gate that matters changes the mask when it is forced. Where a map is high says where the "
    "skip connection passes, not why a voxel got its label: attention is not explanation."
)


class KnockoutTab(QWidget):
    """What to do to each gate, what came of it, and the table of all."""

    def __init__(self, state: State, runs: Runs) -> None:
        super().__init__()
        self._state, self._runs = state, runs
        self._base: tuple[Run, Prediction] | None = None
        self._effects, self._cams = Effects(state), Effects(state)
        self.rows: list[EffectRow] = []
        self.choices: dict[int, tuple[QCheckBox, QComboBox, QDoubleSpinBox]] = {}
        self._grid = QGridLayout()
        self.message = Text()
        self.task = Task(
            state.dock,
            "Knock out",
            "Run the decoder from the deepest chosen gate upwards, with those gates forced.",
            self._prepare,
            self._show,
            self.message.setText,
        )
        self.all = Task(
            state.dock,
            "All gates × all interventions",
            "Try one, mean, zero, shuffled and half on each gate; a table, no layers.",
            self._prepare_all,
            self._show_all,
            self.message.setText,
        )
        self.table = Table("knock-out")
        self.table.setToolTip("What each knock-out did, per class. Click a header to sort.")
        self.save = QPushButton("Save…")
        self.save.setToolTip("Save the table as CSV.")
        self.save.clicked.connect(self._save)
        self._classes = ClassBox(
            state, "Class whose logits Grad-CAM explains: the slice's, until you pick one."
        )
        self.label = self._classes.box
        self.level = QSpinBox()
        self.level.setPrefix("level ")
        self.level.setRange(1, 4)
        self.level.setValue(2)
        self.level.setToolTip("Level of the features: 2 has the grid of gate 1, and so on.")
        self.cam = Task(
            state.dock,
            "Grad-CAM",
            "Add the Seg-Grad-CAM map of a class at a level as a layer, and its rank correlation "
            "with the gate on the same grid.",
            self._prepare_cam,
            self._show_cam,
            self.message.setText,
        )
        self._arrange()
        state.chosen.connect(self._chosen)
        state.left.connect(self._forget)

    def _forget(self) -> None:
        """Say no more of a result that is not looked at."""
        self._base = None
        self._fill([])
        self.message.setText("")

    def _fill(self, rows: list[EffectRow]) -> None:
        """Show rows, at first with the one change that says most: there is room for no more."""
        self.rows = rows
        judged = any(row.truth_dice_change is not None for row in rows)
        change = "change of Dice" if judged else "change of volume"
        self.table.first = ("gate", "intervention", "class", change)
        fill(self.table, rows, colours=self._state.colours)

    def _arrange(self) -> None:
        caution = QLabel(CAUTION)
        caution.setWordWrap(True)
        line = QHBoxLayout()
        line.addWidget(self.task, 1)
        line.addWidget(self.save)
        cam = QHBoxLayout()
        cam.addWidget(self.label, 1)
        cam.addWidget(self.level)
        column = QVBoxLayout(self)
        column.addLayout(self._grid)
        column.addLayout(line)
        column.addWidget(self.all)
        column.addWidget(self.message)
        column.addWidget(self.table, 1)
        column.addLayout(cam)
        column.addWidget(self.cam)
        column.addWidget(caution)

    def _chosen(self) -> None:
        result = self._state.result
        levels = list(result.gates) if result is not None else []
        if list(self.choices) != levels:
            for row in self.choices.values():
                for control in row:
                    self._grid.removeWidget(control)
                    control.hide()  # or it would stand over the new ones until it is deleted
                    control.deleteLater()
            self.choices = {}
            for i, level in enumerate(levels):
                self._add_row(i, level)
        self.level.setRange(1, max(levels, default=3) + 1)

    def _add_row(self, row: int, level: int) -> None:
        tick = QCheckBox(f"gate {level} →")
        tick.setChecked(row == 0)
        tick.setToolTip("Force this gate.")
        kind = combo("What its coefficients become.")
        for name, words in KINDS.items():
            kind.addItem(f"{name}: {words}", name)
        kind.setCurrentIndex(list(KINDS).index("zero"))
        factor = QDoubleSpinBox()
        factor.setRange(0.0, 10.0)
        factor.setSingleStep(0.1)
        factor.setValue(0.5)
        factor.setPrefix("× ")
        factor.setToolTip("Factor of 'scaled'.")
        factor.setVisible(False)
        kind.currentIndexChanged.connect(
            lambda _, k=kind, f=factor: f.setVisible(k.currentData() == "scaled")
        )
        self._grid.addWidget(tick, 2 * row, 0)
        self._grid.addWidget(kind, 2 * row, 1)
        self._grid.addWidget(factor, 2 * row + 1, 1)  # beside the others it would be cut
        self._grid.setColumnStretch(1, 1)
        self.choices[level] = tick, kind, factor

    # --- runs -----------------------------------------------------------------------------------
    def changes(self) -> dict[int, Intervention]:
        """Return what is ticked."""
        return {
            level: Intervention(kind.currentData(), factor.value())
            for level, (tick, kind, factor) in self.choices.items()
            if tick.isChecked()
        }

    def _prepare(self) -> Any:
        changes = self.changes()
        if not changes:
            msg = "Tick at least one gate to force."
            raise RunError(msg)
        run = self._runs.prepare()
        bring = self._state.labels_on_image(self._state.truth)
        base = None
        if self._base is not None and self._base[0].volume is run.volume:
            base = self._base[1]
        looking = plane_on_screen(self._state.viewer, self._state.image)
        axis, plane = looking or (None, None)

        def steps() -> workers.Work:
            from napari_attn_unet.gates import knockout  # noqa: PLC0415  (torch)

            yield Progress("loading the network", 0.0)
            truth = None if bring is None else bring().labels
            session = self._runs.session(run, axis)
            effects = yield from knockout.steps(session, [changes], base=base, look_at=plane)
            effect = effects[0]
            return run, effect, effect.rows(truth), effect_layers(effect, run.placement)

        return steps

    def _show(self, result: tuple[Run, Effect, list[EffectRow], list[layers.LayerData]]) -> None:
        run, effect, rows, data = result
        self._base = run, effect.base
        self._fill(rows)
        self._effects.show(data)
        voxels = int(np.count_nonzero(data[-1][0]))
        self.message.setText(f"{effect.name}: {voxels:,} voxels changed their label.")

    def _prepare_all(self) -> Any:
        run = self._runs.prepare()
        bring = self._state.labels_on_image(self._state.truth)

        def steps() -> workers.Work:
            from napari_attn_unet.gates import knockout  # noqa: PLC0415  (torch)

            yield Progress("loading the network", 0.0)
            truth = None if bring is None else bring().labels
            return (yield from knockout.table(self._runs.session(run), truth))

        return steps

    def _show_all(self, rows: list[EffectRow]) -> None:
        self._fill(rows)

    def _prepare_cam(self) -> Any:
        run = self._runs.prepare()
        label, level = self.label.currentIndex() + 1, self.level.value()
        name = self.label.currentText()
        inspection = self._state.inspection
        gate = None if inspection is None else inspection.gates.get(level - 1)

        def steps() -> workers.Work:
            from napari_attn_unet.gates.gradcam import seg_grad_cam  # noqa: PLC0415  (torch)
            from napari_attn_unet.gates.statistics import rank_correlation  # noqa: PLC0415

            yield Progress("Grad-CAM", 0.0)
            predictor = self._runs.predictor(run)
            cam = seg_grad_cam(
                predictor.checkpoint,
                run.volume,
                label,
                level,
                str(predictor.device),
                predictor.memory_limit,
            )
            rank = None if gate is None else rank_correlation(cam.coefficients, gate.coefficients)
            return run, name, level, cam, rank

        return steps

    def _show_cam(self, result: tuple[Run, str, int, GateMap, float | None]) -> None:
        run, name, level, cam, rank = result
        about = {layers.OUTPUT: {"effect": "Grad-CAM", "image": run.placement.name}}
        options = {
            "name": f"Grad-CAM of {name}, level {level} · {run.placement.name}",
            "colormap": "inferno",
            "contrast_limits": (0.0, 1.0),
            "blending": "additive",  # where the map is 0 the image shows as it is
            "opacity": 0.7,
            "rgb": False,
            "metadata": about
            | remembered(run.placement, cam.geometry)
            | {TOLD: (f"Grad-CAM of {name} at level {level}", "yellow is most")},
            **placed(run.placement, cam.geometry, cam.coefficients.ndim),
        }
        self._cams.show([(cam.coefficients, options, "image")])
        with_gate = (
            ""
            if rank is None
            else (f" Rank correlation with gate {level - 1}: {rank:.2f} (Spearman).")
        )
        self.message.setText(f"Grad-CAM of {name} at level {level}.{with_gate}")

    def _save(self) -> None:
        save(self, "knockout.csv", self.rows, self.message.setText)


def _done_to(effect: Effect) -> str:
    """Return "without gate 2", or what else was done."""
    if all(change.kind == "zero" for change in effect.changes.values()):
        return "without " + " and ".join(f"gate {level}" for level in effect.changes)
    return effect.name


def effect_layers(effect: Effect, placement: Placement) -> list[layers.LayerData]:
    """Return what a knock-out did as layer data: Δ probability per class, changed voxels."""
    about: dict[str, Any] = {layers.OUTPUT: {"effect": effect.name, "image": placement.name}}
    about |= remembered(placement, effect.base.geometry)
    place = placed(placement, effect.base.geometry, 3)
    result: list[layers.LayerData] = []
    largest = 0.0
    for label, (name, _) in list(enumerate(effect.base.classes))[1:]:
        delta = effect.delta(label)
        change = float(np.abs(delta).sum())
        options = {
            "name": f"Δ probability of {name} · {placement.name}",
            "colormap": DIVERGING,
            "contrast_limits": (-1.0, 1.0),
            "blending": "translucent",
            "opacity": 0.6,
            "visible": change > largest,
            "rgb": False,
            "metadata": about
            | {TOLD: (f"Δ probability of {name}", _done_to(effect), DIVERGING_TOLD)},
            **place,
        }
        for _, other, _ in result:
            other["visible"] = other["visible"] and change <= largest
        largest = max(largest, change)
        result.append((delta, options, "image"))
    colours: dict[int | None, Any] = {None: "transparent", 0: "transparent", 1: "white"}
    for label, (_, colour) in list(enumerate(effect.base.classes))[1:]:
        colours[label + 1] = (*colour, 1.0)
    names = ["unchanged", "now background", *(f"now {n}" for n, _ in effect.base.classes[1:])]
    options = {
        "name": f"changed voxels · {placement.name}",
        "opacity": 0.8,
        "visible": False,  # classes' colours over those of Δ would be read as Δ
        "colormap": DirectLabelColormap(color_dict=colours),
        "features": {"index": list(range(len(names))), "class": names},
        "metadata": about | {TOLD: (CHANGED_TOLD,)},
        **place,
    }
    result.append((effect.changed_voxels, options, "labels"))
    return result
