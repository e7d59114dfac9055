"""Everything that Inspect shows of an image, written into a folder, without a screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet import io
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.gates import knockout
from napari_attn_unet.gates.gradcam import seg_grad_cam
from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.gates.statistics import rank_correlation
from napari_attn_unet.prediction import Prediction, Progress, Result, Steps, relay
from napari_attn_unet.report import figure
from napari_attn_unet.report.orientation import is_known, is_placed
from napari_attn_unet.report.slices import Style
from napari_attn_unet.report.words import heading
from napari_attn_unet.table import Row, column, write_csv
from napari_attn_unet.volume import Volume

STAGES = ("segment", "random weights", "Grad-CAM", "knock-out")


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrelationRow(Row):
    """How alike a gate's map and the Grad-CAM of a class on the same grid are.

    Attributes
    ----------
    level
        Of the features that Grad-CAM explains: one below the gate's.
    correlation
        Spearman's.
    """

    class_name: str = column("class")
    level: int = column("level")
    gate: str = column("gate")
    correlation: float = column("rank correlation")


def write_inspection(  # noqa: PLR0913  (each is named by its caller)
    predictor: Predictor,
    volume: Volume,
    out: Path,
    *,
    truth: npt.NDArray[Any] | None = None,
    name: str = "",
    top: float = 5.0,
    gradcam: bool = True,
    knockouts: bool = True,
    axis: int = 0,
    slices: Sequence[int] = (),
    style: Style | None = None,
    notes: Sequence[str] = (),
) -> Steps[Inspection]:
    """Segment a volume and write mask, gates' maps, tables and a figure; yield progress.

    It writes what the widget shows: gates.csv, profile.csv, agreement.csv, agreement_slices.csv,
    gradcam.csv with its maps, knockout.csv and figure.png, beside what `io.write_prediction`
    writes.

    Parameters
    ----------
    predictor, volume
        What is run, on what.
    out
        A folder; made if need be.
    truth
        Labels on the volume's grid (Z, Y, X).
    name
        Of the image, for the figure.
    top
        Share of the voxels, in percent, whose overlap with the structure is counted.
    gradcam, knockouts
        Whether to write gradcam.csv with its maps, and knockout.csv.
    axis, slices, style
        Of the figure: across which axis (0, 1, 2 for z, y, x), which slices (none: four spread
        over the mask), and how it looks; its classes are the network's.
    notes
        Stand below the figure, such as how the truth came onto the image's grid.

    Returns
    -------
    Inspection
        What the tables were made of.

    Raises
    ------
    FileError
        If something cannot be written.
    MemoryLimitError
        If the memory limit is too small, which it is for Grad-CAM first.
    ShapeError
        If the truth lies on another grid.
    """
    stages = [s for s, on in zip(STAGES, (True, True, gradcam, knockouts), strict=True) if on]

    def stage(name: str, steps: Steps[Result]) -> Steps[Result]:
        i = stages.index(name)
        return relay(steps, name, (i / len(stages), (i + 1) / len(stages)))

    session = predictor.session(volume, keep="gates")
    prediction = yield from stage("segment", session.run(probabilities=True))
    io.write_prediction(prediction, out, gates=True)
    inspection = Inspection(
        np.asarray(volume.data[0]),
        volume.geometry,
        prediction.gates,
        prediction.mask,
        truth,
        [title for title, _ in prediction.classes],
    )
    random = yield from stage("random weights", knockout.random_gates(predictor, volume))
    classes: list[int | None] = [None, *inspection.labels()]
    tables: dict[str, Sequence[Row]] = {
        "gates": inspection.statistics_rows(),
        "profile": [r for c in classes for a in range(3) for r in inspection.profile_rows(a, c)],
        "agreement": [r for c in classes for r in inspection.agreement_rows(c, top, random)],
        "agreement_slices": [
            r for c in classes for a in range(3) for r in inspection.agreement_slice_rows(a, c)
        ],
    }
    if gradcam:
        tables["gradcam"] = yield from stage(
            "Grad-CAM", _gradcam(predictor, volume, prediction, out)
        )
    if knockouts:
        tables["knockout"] = yield from stage("knock-out", knockout.table(session, truth))
    for title, rows in tables.items():
        write_csv(out / f"{title}.csv", rows)
    style = replace(
        style or Style(),
        classes=prediction.classes,
        patient=volume.geometry if is_known(volume.metadata) else None,
        placed=is_placed(volume.metadata),
    )
    chosen = slices or figure.spread_slices(inspection, axis, 4)
    title = heading(name, prediction.provenance["checkpoint"])
    picture = figure.draw(inspection, axis, chosen, style, title, notes=notes)
    figure.save(picture, out / "figure.png")
    return inspection


def _gradcam(
    predictor: Predictor, volume: Volume, prediction: Prediction, out: Path
) -> Steps[list[CorrelationRow]]:
    """Write the Grad-CAM maps of every class and level; return their correlation with the gates."""
    rows: list[CorrelationRow] = []
    classes = list(enumerate(prediction.classes))[1:]
    for label, (name, _) in classes:
        for gate in prediction.gates:
            yield Progress(name, len(rows) / (len(classes) * len(prediction.gates)))
            level = gate.level + 1  # the features on the gate's own grid
            cam = seg_grad_cam(
                predictor.checkpoint,
                volume,
                label,
                level,
                str(predictor.device),
                predictor.memory_limit,
            )
            path = out / f"gradcam_{name.replace(' ', '_')}_level{level}.nii.gz"
            io.write(path, cam.coefficients, cam.geometry, prediction.metadata)
            rows.append(
                CorrelationRow(
                    class_name=name,
                    level=level,
                    gate=gate.name,
                    correlation=rank_correlation(cam.coefficients, gate.coefficients),
                )
            )
    return rows
