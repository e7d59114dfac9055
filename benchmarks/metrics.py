"""Metrics: a stroke of the brush against counting afresh, and distances against MONAI's."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.measure import Task, interleaved, table
from napari_attn_unet.scores import metrics
from napari_attn_unet.scores.comparison import Comparison
from napari_attn_unet.scores.matching import match as matched
from napari_attn_unet.scores.matching import relabel
from napari_attn_unet.volume import Geometry

Labels = npt.NDArray[np.uint8]
PLACE = Geometry.from_spacing((1, 1, 1), unit="mm")
CLASSES = ("background", "front", "back")


def lobes(edge: int) -> tuple[Labels, Labels]:
    """Return a mask and a truth with two classes, a mask that is a few voxels off."""
    truth = np.zeros((edge,) * 3, np.uint8)
    z, y, x = np.ogrid[-1 : 1 : edge * 1j, -1 : 1 : edge * 1j, -1 : 1 : edge * 1j]
    inside = (z / 0.5) ** 2 + (y / 0.7) ** 2 + (x / 0.4) ** 2 < 1
    truth[inside] = 1
    truth[inside & (y > 0)] = 2
    return np.roll(truth, 2, 1), truth


def live(*, quick: bool) -> str:
    """Time what a stroke costs, and every distance."""
    edge = 128 if quick else 256
    mask, truth = lobes(edge)
    matching = matched(dict.fromkeys(range(3)), dict.fromkeys(range(3)))
    kept = Comparison(mask.copy(), truth.copy(), PLACE, CLASSES)
    plane = (slice(edge // 2, edge // 2 + 1), slice(None), slice(None))
    painted = [0]

    def stroke() -> None:
        """Paint 20 × 20 voxels and count what has changed, as the widget does."""
        painted[0] += 1
        mask[edge // 2, 40:60, 40:60] = painted[0] % 3
        kept.update(*relabel(mask[plane], truth[plane], matching), plane)
        kept.counted_rows()

    def afresh() -> None:
        Comparison(*relabel(mask, truth, matching), PLACE, CLASSES).counted_rows()

    strokes: dict[str, Task] = {"after a stroke": stroke, "counted afresh": afresh}
    taken = interleaved(strokes, 9)
    rows = [
        [name, f"{1e3 * s:.1f} ms", f"{s / taken['counted afresh']:.3f}"]
        for name, s in taken.items()
    ]
    text = table([f"at {edge}³", "time", "of counting afresh"], rows)
    mask, truth = lobes(edge // 2)
    distances: dict[str, Task] = {
        "MONAI": partial(_monai, mask, truth),
        "here": partial(_here, mask, truth),
    }
    taken = interleaved(distances, 3)
    rows = [[n, f"{s:.2f} s", f"{s / taken['MONAI']:.2f}"] for n, s in taken.items()]
    return (
        text
        + "\n\nHD95, ASSD and surface Dice of two classes:\n\n"
        + table([f"at {edge // 2}³", "time", "of MONAI"], rows)
    )


def _here(mask: Labels, truth: Labels) -> None:
    for label in (1, 2):
        found = metrics.distances(mask == label, truth == label, PLACE.spacing)
        _ = found.hd95, found.assd, found.surface_dice(1.0)


def _monai(mask: Labels, truth: Labels) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MONAI's own imports
        # of the benchmark's environment; MONAI's own index of these names has no types
        from monai.metrics.hausdorff_distance import (  # noqa: PLC0415
            compute_hausdorff_distance,
        )
        from monai.metrics.surface_dice import compute_surface_dice  # noqa: PLC0415
        from monai.metrics.surface_distance import (  # noqa: PLC0415
            compute_average_surface_distance,
        )
    a, b = (
        torch.from_numpy(np.stack([labels == k for k in range(3)])[np.newaxis].astype(np.float32))
        for labels in (mask, truth)
    )
    compute_hausdorff_distance(a, b, percentile=95)
    compute_average_surface_distance(a, b, symmetric=True)
    compute_surface_dice(a, b, class_thresholds=[1.0, 1.0])
