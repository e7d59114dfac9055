"""The results that lie in a viewer: which layers belong together, and what they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer

from napari_attn_unet import io
from napari_attn_unet.plugin.kit.navigate import to_layer
from napari_attn_unet.plugin.layers import BOX, OUTPUT, case_of
from napari_attn_unet.plugin.placement import places, shown_geometry
from napari_attn_unet.prediction import GateMap
from napari_attn_unet.scores.grids import OnGrid, onto_grid


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """The layers of one run.

    Attributes
    ----------
    key
        What tells it from other runs; the same once the viewer's layers are listed again.
    provenance
        Of the prediction.
    gates
        Gate maps by level, finest first.
    mask
        The predicted mask, if it is still there.
    probabilities
        Maps by class name.
    """

    key: tuple[Any, ...]
    provenance: dict[str, Any]
    gates: dict[int, Image] = field(default_factory=dict)
    mask: Labels | None = None
    probabilities: dict[str, Image] = field(default_factory=dict)

    @property
    def layers(self) -> list[Layer]:
        """All of its layers."""
        mask = [] if self.mask is None else [self.mask]
        return [*self.gates.values(), *self.probabilities.values(), *mask]

    @property
    def name(self) -> str:
        """Name of the image, of the box if it is of one, and of the checkpoint.

        With the checkpoint's file, where that is called otherwise.
        """
        checkpoint, file = self.provenance.get("checkpoint"), self.provenance.get("checkpoint_file")
        other = "" if file is None or Path(file).stem == checkpoint else f" ({file})"
        return f"{case_of(self.provenance)} · {checkpoint}{other}"


def results(viewer: Any) -> list[Result]:
    """Return the results among a viewer's layers, the latest last."""
    return results_among(viewer.layers)


def results_among(layers: Iterable[Layer]) -> list[Result]:
    """Return the results among some layers, the latest last."""
    found: dict[tuple[Any, ...], Result] = {}
    for layer in layers:
        about = layer.metadata.get(OUTPUT)
        if not about or not about.get("date") or about.get("effect"):
            continue
        # Two runs may fall into one second: a copy of a checkpoint is told by its name.
        network = about.get("checkpoint_sha256"), about.get("checkpoint_file")
        key = (about["date"], about.get("image"), about.get(BOX), *network, layer.ndim)
        result = found.setdefault(key, Result(key, about))
        if "gate" in layer.metadata and isinstance(layer, Image):
            result.gates[layer.metadata["gate"]] = layer
        elif "class" in layer.metadata and isinstance(layer, Image):
            result.probabilities[layer.metadata["class"]] = layer
        elif isinstance(layer, Labels):
            found[key] = Result(key, about, result.gates, layer, result.probabilities)
    for result in found.values():
        for level in sorted(result.gates):  # finest first
            result.gates[level] = result.gates.pop(level)
    return sorted(found.values(), key=lambda r: str(r.key[0]))


def beside(result: Result, viewer: Any) -> list[Result]:
    """Return the results of other boxes of the same image, by the same checkpoint."""
    if BOX not in result.provenance:
        return []
    same = ("image", "checkpoint_sha256", "checkpoint_file")
    return [
        other
        for other in results(viewer)
        if other.key != result.key
        and BOX in other.provenance
        and all(other.provenance.get(key) == result.provenance.get(key) for key in same)
    ]


def time_on_screen(layer: Layer, viewer: Any) -> int:
    """Return the index along a series' first axis of the time point on screen."""
    data: Any = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    place = to_layer(viewer, layer, viewer.dims.point)
    return int(np.clip(np.round(place[0]), 0, data.shape[0] - 1))


def time_in_words(layer: Layer | None, viewer: Any) -> str:
    """Return which time point of a series is on screen, in a sentence; nothing of a volume."""
    if layer is None or layer.ndim <= 3:  # noqa: PLR2004
        return ""
    data: Any = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    return f"Time point {time_on_screen(layer, viewer) + 1} of {data.shape[0]}."


def at_time(layer: Layer, viewer: Any) -> npt.NDArray[Any]:
    """Return the (Z, Y, X) array of a layer; of a series, the time point on screen."""
    return np.asarray(unread_at_time(layer, viewer))


def unread_at_time(layer: Layer, viewer: Any) -> Any:
    """Return the same as it lies in its layer: what is not in memory is not read."""
    data: Any = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    if layer.ndim > 3:  # noqa: PLR2004
        place = to_layer(viewer, layer, viewer.dims.point)
        for axis in range(layer.ndim - 3):
            data = data[int(np.clip(np.round(place[axis]), 0, data.shape[0] - 1))]
    return data


def gate_map(layer: Image, viewer: Any) -> GateMap:
    """Return the map that a gate's layer shows, where it is shown."""
    return GateMap(at_time(layer, viewer), shown_geometry(layer), layer.metadata["gate"])


def labels_at(layer: Labels | Image, viewer: Any) -> npt.NDArray[np.integer[Any]]:
    """Return a layer's labels (Z, Y, X), of a series those at the time on screen.

    Raises
    ------
    ShapeError
        If it has values that are no labels; see `io.whole_numbers`.
    """
    return io.whole_numbers(at_time(layer, viewer), repr(layer.name))


def labels_on(
    layer: Labels | Image, image: Image, viewer: Any, what: str = "truth"
) -> Callable[[], OnGrid]:
    """Return how to bring labels onto the grid of an image, where both lie now (`places`).

    Places are read at once, on the window's thread. What is returned takes longer: call it on
    another. Its labels are a copy, as a brush goes on meanwhile.
    """
    there, place = places(layer, image)
    shape = image.data.shape[-3:] if not image.multiscale else image.data[0].shape[-3:]

    def bring() -> OnGrid:
        found = onto_grid(labels_at(layer, viewer), there, place, shape, what=what)
        return found if found.moved else replace(found, labels=found.labels.copy())

    return bring
