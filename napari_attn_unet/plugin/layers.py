"""The one path between layers, volumes, predictions and their files: names, colours, metadata."""
# Over 350 lines: there and back in one place, or what is saved would not open as what it was.

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import Colormap, DirectLabelColormap, ensure_colormap

from napari_attn_unet.errors import RunError, ShapeError
from napari_attn_unet.plugin.placement import (
    Placement,
    as_read,
    geometry_of,
    placed,
    placement_of,
    remembered,
)
from napari_attn_unet.prediction import ClassInfo, GateMap, Prediction, class_counts
from napari_attn_unet.report.picture import (
    GATE_HUES,
    GATE_OPACITY,
    clear_at_zero,
    gate_hue_name,
    ramp,
)
from napari_attn_unet.volume import Geometry, Volume

if TYPE_CHECKING:
    from napari_attn_unet.io import StoredMap
    from napari_attn_unet.plugin.results import Result

OUTPUT = "napari-attn-unet"
"""Key in a layer's metadata under which an output keeps its provenance."""
CLASSES, CLASS, GATE = "classes", "class", "gate"
"""Keys of the classes of its prediction, of the one class a map is of, of a gate's level."""
BOX = "box"
"""Key, in the provenance, of which box of its image a result is of."""
CHECKSUM = "checksum"
"""Key of what a mask was when it was shown, by which a corrected one is told."""
_SPATIAL = 3
_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
ATTENTION = "attention"
"""The gates' own colormap; see `gate_colormap`."""
_FAR_OFF = 0.6
"""Share of napari's range of an image below which a robust one is the better."""

_CHECKPOINT = "checkpoint_sha256"
_NUMBER = re.compile(r" \[\d+\]$")
"""What napari adds to a name that is taken."""

LayerData = tuple[Any, dict[str, Any], str]


def is_segmentable(layer: Layer) -> bool:
    """Whether a layer is an image that a network could take: no colours, no output of ours."""
    return isinstance(layer, Image) and OUTPUT not in layer.metadata


def to_volumes(layer: Image, channels: int = 1) -> tuple[list[Volume], Placement]:
    """Return an image layer as one volume per time point, and where it lies.

    Parameters
    ----------
    layer
        (Z, Y, X); (T, Z, Y, X); (C, Z, Y, X) if the network takes C > 1 channels; or
        (T, C, Z, Y, X). Of a multiscale layer, the full resolution is taken.
    channels
        Channels that the network takes.

    Raises
    ------
    ShapeError
        If the layer is a 2D or colour image, or its axes fit none of the above.
    """
    data: Any = layer.data[0] if layer.multiscale else layer.data
    shape = tuple(data.shape)
    if layer.rgb:
        msg = (
            f"{layer.name!r} is a colour image. The network takes grey values: "
            "right-click the layer, 'Split RGB', and choose one channel."
        )
        raise ShapeError(msg)
    if len(shape) < _SPATIAL:
        msg = (
            f"{layer.name!r} is a 2D image {shape}. The network takes volumes of 3 axes "
            "(Z, Y, X): open the whole stack."
        )
        raise ShapeError(msg)
    lead = len(shape) - _SPATIAL
    has_channels = channels > 1 and lead > 0 and shape[lead - 1] == channels
    if lead - has_channels > 1 or (channels > 1 and not has_channels):
        wanted = "(Z, Y, X) or (T, Z, Y, X)" if channels == 1 else f"({channels}, Z, Y, X)"
        msg = f"{layer.name!r} has axes {shape}, but this network takes {wanted}."
        raise ShapeError(msg)
    channel_axis = lead - 1 if has_channels else -1
    placement = placement_of(layer, [i for i in range(len(shape)) if i != channel_axis])
    points = list(data) if lead - has_channels else [data]
    volumes = [
        Volume(
            point if has_channels else point[np.newaxis],
            placement.geometry,
            layer.name,
            placement.metadata,
        )
        for point in points
    ]
    return volumes, placement


def from_prediction(
    prediction: Prediction,
    placement: Placement,
    *,
    mask: bool = True,
    gates: bool = True,
    counted: bool = True,
) -> list[LayerData]:
    """Return a prediction as layer data tuples, gates below the mask.

    The finest gate and the mask are visible; the others wait hidden. The mask is counted, which
    takes a moment for a large one: call it on the thread that made the prediction, or with
    `counted` off.
    """
    about = about_prediction(prediction.provenance, prediction.classes, prediction.metadata)
    made: list[LayerData] = []
    if gates:
        made += [gate_layer(gate, placement, about) for gate in reversed(prediction.gates)]
    if prediction.probabilities is not None:
        made += probability_layers(prediction.probabilities, prediction.geometry, placement, about)
    if mask:
        made.append(
            mask_layer(prediction.mask, prediction.geometry, placement, about, counted=counted)
        )
    return made


def about_prediction(
    provenance: Mapping[str, Any], classes: Sequence[ClassInfo], metadata: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the metadata that every layer of a prediction has."""
    return {OUTPUT: dict(provenance), CLASSES: tuple(classes), **metadata}


def gate_layer(gate: GateMap, placement: Placement, about: Mapping[str, Any]) -> LayerData:
    """Return a gate's map as a layer; the finest is visible."""
    options = {
        "name": f"{gate.name} · {placement.name}",
        "colormap": gate_colormap(ATTENTION, about[CLASSES]),
        "contrast_limits": (0.0, 1.0),
        "blending": "translucent",
        "opacity": GATE_OPACITY,
        "visible": gate.level == 1,
        "rgb": False,
        "metadata": {**about, **remembered(placement, gate.geometry), GATE: gate.level},
        **placed(placement, gate.geometry, gate.coefficients.ndim),
    }
    return gate.coefficients, options, "image"


def probability_layers(
    probabilities: npt.NDArray[Any],
    geometry: Geometry,
    placement: Placement,
    about: Mapping[str, Any],
) -> list[LayerData]:
    """Return the probability (…, K, Z, Y, X) of every class but the background as a layer."""
    made: list[LayerData] = []
    for label, info in list(enumerate(about[CLASSES]))[1:]:
        data = probabilities[..., label, :, :, :]
        options = {
            "name": f"probability of {info.name} · {placement.name}",
            "colormap": Colormap(ramp(info.colour), name=f"probability of {info.name}"),
            "contrast_limits": (0.0, 1.0),
            "blending": "translucent",
            "opacity": GATE_OPACITY,
            "visible": False,
            "rgb": False,
            "metadata": {**about, **remembered(placement, geometry), CLASS: info.name},
            **placed(placement, geometry, data.ndim),
        }
        made.append((data, options, "image"))
    return made


def mask_layer(
    mask: npt.NDArray[Any],
    geometry: Geometry,
    placement: Placement,
    about: Mapping[str, Any],
    *,
    counted: bool = True,
) -> LayerData:
    """Return a mask as a layer whose features tell the classes and, if counted, their sizes."""
    classes: tuple[ClassInfo, ...] = about[CLASSES]
    table: dict[str, list[Any]] = {
        "index": list(range(len(classes))),
        "class": [info.name for info in classes],
    }
    known: dict[str, Any] = {}
    if counted:
        table["voxels"] = class_counts(mask, len(classes))
        if geometry.voxel_mm3 is not None:
            # Six digits, not six places: a cell's size in mm³ begins far behind the point.
            table["mm3"] = [float(f"{n * geometry.voxel_mm3:.6g}") for n in table["voxels"]]
        known[CHECKSUM] = _checksum(mask)
    options = {
        "name": f"mask · {placement.name}",
        "opacity": 0.5,
        "features": table,
        "colormap": colormap(classes),
        "metadata": {**about, **remembered(placement, geometry), **known},
        **placed(placement, geometry, mask.ndim),
    }
    return mask, options, "labels"


def _checksum(mask: npt.NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(mask).data)


def is_corrected(layer: Layer) -> bool:
    """Whether a mask of ours was changed since it was shown. It takes a moment for a large one."""
    known = layer.metadata.get(CHECKSUM)
    return known is not None and _checksum(np.asarray(layer.data)) != known


def case_of(provenance: Mapping[str, Any]) -> str:
    """Return what results are called after: their image, and the box of it that was run."""
    box = provenance.get(BOX)
    return str(provenance.get("image")) + (f" · {box}" if box else "")


def from_stored(stored: StoredMap) -> list[LayerData]:
    """Return a file of a prediction as the layers that it was, where its image is shown.

    A file's direction is not shown, so a map is laid over its image by their grids.
    """
    each = len(stored.classes) if stored.kind == "probabilities" else 1
    name, series = case_of(stored.provenance), len(stored.volumes) > each
    placement = as_read(name, stored.image, series=series)
    about = about_prediction(stored.provenance, stored.classes, stored.volumes[0].metadata)
    if stored.kind == "gate":
        return [gate_layer(GateMap(stored.data, stored.geometry, stored.level), placement, about)]
    if stored.kind == "probabilities":
        maps = stored.data.reshape(-1, each, *stored.data.shape[-_SPATIAL:])
        maps = maps if series else maps[0]
        return probability_layers(maps, stored.geometry, placement, about)
    return [mask_layer(stored.data, stored.geometry, placement, about)]


def to_prediction(result: Result) -> Prediction:
    """Return the layers of a run as the prediction that they show, as they are now.

    Raises
    ------
    RunError
        If the mask is gone: nothing then says where the image lies.
    """
    mask = result.mask
    if mask is None:
        msg = (
            "This needs the result's mask, which says where the image lies, but its layer was "
            "removed. Segment again; a mask that is in the way can be hidden."
        )
        raise RunError(msg)
    known = mask.metadata.get(CLASSES, ())
    maps = [result.probabilities.get(info.name) for info in known[1:]]
    probabilities = None
    if maps and all(layer is not None for layer in maps):
        others = [np.asarray(layer.data, np.float32) for layer in maps if layer is not None]
        probabilities = np.stack([1 - sum(others), *others], axis=-_SPATIAL - 1)
    return Prediction(
        mask=np.asarray(mask.data),
        geometry=geometry_of(mask),
        classes=tuple(known),
        gates=tuple(
            GateMap(np.asarray(layer.data), geometry_of(layer), level)
            for level, layer in result.gates.items()
        ),
        probabilities=probabilities,
        provenance=result.provenance,
        metadata={key: mask.metadata[key] for key in ("nifti",) if key in mask.metadata},
    )


def gate_colormap(name: str, classes: Sequence[ClassInfo]) -> Colormap:
    """Return a colormap that is transparent at 0 and solid at 1: what is shut hides nothing.

    Parameters
    ----------
    name
        `ATTENTION`, which is the one hue that no class has, or one of napari's.
    classes
        Of the network.
    """
    if name == ATTENTION:
        hue = gate_hue_name(classes)
        return Colormap(ramp(GATE_HUES[hue]), name=f"{ATTENTION} ({hue})")
    colours = clear_at_zero(ensure_colormap(name).map(np.linspace(0, 1, 256)))
    return Colormap(colours, name=f"{name} (clear at 0)")


def own_contrast(image: Image, robust: tuple[float, float]) -> None:
    """Give an image a robust contrast where nobody has set one and napari's is far off."""
    low, high = image.contrast_limits_range
    untouched = tuple(image.contrast_limits) == (low, high)
    if untouched and robust[1] - robust[0] < _FAR_OFF * (high - low):
        image.contrast_limits = robust


def colormap(classes: Sequence[ClassInfo]) -> DirectLabelColormap:
    """Return the classes' colours; the background and any other label are transparent."""
    colours: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
    for label, info in list(enumerate(classes))[1:]:
        colours[label] = (*info.colour, 1.0)
    return DirectLabelColormap(color_dict=colours)


def show(
    viewer: Any,
    layers: list[LayerData],
    *,
    keep_old: bool,
    corrected: Collection[Layer] = (),
    hide: bool = True,
) -> list[Layer]:
    """Add layers to a viewer; a layer of ours that shows the same is updated in place.

    The same is: by name, of the same checkpoint. A layer that is updated keeps its visibility,
    opacity, blending and order. Where layers are added, earlier results of the same image are
    hidden, as two maps over each other mix; so is what is left of a run that is updated.

    Parameters
    ----------
    viewer
        Where to.
    layers
        Of one run.
    keep_old
        Whether to add all of them.
    corrected
        Layers that are not ours to update; see `is_corrected`.
    hide
        Whether earlier results are hidden; if not, the caller does.
    """
    shown = []
    before, runs = list(viewer.layers), set()
    for data, options, kind in layers:
        old = None if keep_old else _ours(viewer, options, kind, np.ndim(data), corrected)
        if old is None:
            named = options | {"name": _new_name(viewer, options)}
            shown.append(viewer.add_layer(Layer.create(data, named, kind)))
            continue
        runs.add(old.metadata[OUTPUT].get("date"))
        old.data = data
        for key in (*_PLACE, "metadata", "features"):
            if key in options:
                setattr(old, key, options[key])
        if kind == "labels":
            old.colormap = options["colormap"]
        shown.append(old)
    if hide and not keep_old:
        added = not set(shown) <= set(before)
        for layer in outputs_of(viewer, layers[0][1]["metadata"][OUTPUT].get("image")):
            date = layer.metadata[OUTPUT].get("date")
            if layer not in shown and (added or (date is not None and date in runs)):
                layer.visible = False
    return shown


def remove(viewer: Any, layers: Iterable[Layer | None]) -> None:
    """Take layers away, those that are still there, all at once.

    napari collects Python's garbage whenever a layer goes: with torch in memory a quarter of a
    second, in which the window stands still. What goes in a batch is collected after once.
    """
    there = [layer for layer in layers if layer is not None and layer in viewer.layers]
    batch = getattr(viewer.layers, "batched_update", nullcontext)  # since napari 0.9
    with batch() if len(there) > 1 else nullcontext():
        for layer in there:
            viewer.layers.remove(layer)


@contextmanager
def selection_kept(viewer: Any) -> Iterator[None]:
    """Add helper layers; the user goes on with the layers that they had selected.

    Nobody hears of it: what is looked at follows the selected layer, and would go back to one that
    was selected long before.
    """
    there = viewer.layers
    selected = set(there.selection)
    with there.selection.events.active.blocker():
        yield
        there.selection = selected & set(there)


def link_gates(viewer: Any, linked: bool) -> None:
    """Let all gate layers of a viewer look alike, or each as it is set.

    Whether they are shown stays each one's own: one is in colour at a time.
    """
    gates = [layer for layer in viewer.layers if "gate" in layer.metadata]
    attributes = ("opacity", "colormap", "contrast_limits")
    if len(gates) > 1:
        viewer.layers.unlink_layers(gates, attributes)
        if linked:
            viewer.layers.link_layers(gates, attributes)


def outputs_of(viewer: Any, image: str | None) -> list[Layer]:
    """Return the layers that hold results of an image, by the image's name."""
    return [
        layer
        for layer in viewer.layers
        if OUTPUT in layer.metadata and layer.metadata[OUTPUT].get("image") == image
    ]


def _ours(
    viewer: Any, options: Mapping[str, Any], kind: str, ndim: int, corrected: Collection[Layer]
) -> Layer | None:
    """Return the layer that shows the same of the same checkpoint, if it may be updated."""
    wanted = Labels if kind == "labels" else Image
    about, name = options["metadata"][OUTPUT], options["name"]
    names = {name, _of_checkpoint(name, about)}
    found = [
        layer
        for layer in reversed(viewer.layers)
        if isinstance(layer, wanted)
        and layer.ndim == ndim
        and layer not in corrected
        and OUTPUT in layer.metadata
        and layer.metadata[OUTPUT].get(_CHECKPOINT) == about.get(_CHECKPOINT)
        and _NUMBER.sub("", layer.name) in names
    ]
    return next((layer for layer in found if layer.name == name), next(iter(found), None))


def _new_name(viewer: Any, options: Mapping[str, Any]) -> str:
    """Return a layer's name; with its checkpoint where another's has the name already."""
    about, name = options["metadata"][OUTPUT], str(options["name"])
    taken = [layer for layer in viewer.layers if layer.name == name]
    others = [
        layer
        for layer in taken
        if layer.metadata.get(OUTPUT, about).get(_CHECKPOINT) != about.get(_CHECKPOINT)
    ]
    return _of_checkpoint(name, about) if others else name


def _of_checkpoint(name: str, about: Mapping[str, Any]) -> str:
    return f"{name} ({about.get('checkpoint')})"
