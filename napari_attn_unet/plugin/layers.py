"""Layers to volumes, and predictions to layers: names, colours, and where everything lies.

An output is placed by its index space, relative to its image: whatever transform the image layer
has (scale, rotation, shear, affine), the output has the same, composed with a scaling and a shift
of voxel indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer, Shapes
from napari.utils.colormaps import DirectLabelColormap

from napari_attn_unet.errors import ShapeError, VolumeError
from napari_attn_unet.volume import FloatArray, Geometry, Volume, unit_symbol

if TYPE_CHECKING:
    from napari_attn_unet.prediction import Prediction

OUTPUT = "napari-attn-unet"
"""Key in a layer's metadata under which an output keeps its provenance."""
_SPATIAL = 3
_GATE_COLORMAP = "inferno"

LayerData = tuple[Any, dict[str, Any], str]


def is_segmentable(layer: Layer) -> bool:
    """Whether a layer is an image that a network could take: no colours, no output of ours."""
    return isinstance(layer, Image) and OUTPUT not in layer.metadata


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Where an image layer lies, taken when a run starts, so that later edits cannot move it.

    Attributes
    ----------
    geometry
        Place of the spatial axes, exact for layers that come from files.
    full
        (n + 1, n + 1) matrix from data to world over the kept axes.
    physical
        The part of it made by scale, translate, rotate and shear.
    transforms
        The layer's own rotate, shear and affine, or empty if axes were dropped.
    labels
        Units and axis labels of the kept axes.
    """

    name: str
    geometry: Geometry
    full: FloatArray
    physical: FloatArray
    transforms: dict[str, Any]
    labels: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)

    def in_space(self) -> Placement:
        """Return the place of the last three axes: of one time point of a series."""
        n = len(self.full) - 1
        if n == _SPATIAL:
            return self
        keep = np.ix_([*range(n - _SPATIAL, n), n], [*range(n - _SPATIAL, n), n])
        labels = {key: value[-_SPATIAL:] for key, value in self.labels.items()}
        full, physical = self.full[keep], self.physical[keep]
        return replace(self, full=full, physical=physical, transforms={}, labels=labels)


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
    placement = _placement(layer, [i for i in range(len(shape)) if i != channel_axis])
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


def _placement(layer: Layer, kept: list[int]) -> Placement:
    n = layer.ndim
    origin = np.asarray(layer.data_to_world(np.zeros(n)), dtype=np.float64)
    full = np.eye(n + 1)
    full[:n, n] = origin
    for axis, unit in enumerate(np.eye(n)):
        full[:n, axis] = np.asarray(layer.data_to_world(unit)) - origin
    affine = np.asarray(layer.affine.affine_matrix, dtype=np.float64)
    physical = np.linalg.inv(affine) @ full
    keep = [*kept, n]
    units = [str(layer.units[i]) for i in kept]
    names = {unit_symbol(u) for u in units[-_SPATIAL:]}
    spatial = full[np.ix_([*kept[-_SPATIAL:], n], [*kept[-_SPATIAL:], n])]
    geometry = Geometry(spatial, names.pop() if len(names) == 1 else "pixel")
    metadata: dict[str, Any] = {}
    source = layer.metadata.get("nifti")
    if source is not None and np.allclose(source.geometry.spacing, geometry.spacing, rtol=1e-5):
        geometry, metadata = source.geometry, {"nifti": source}
    whole = len(kept) == n
    return Placement(
        name=layer.name,
        geometry=geometry,
        full=full[np.ix_(keep, keep)],
        physical=physical[np.ix_(keep, keep)],
        transforms={"rotate": layer.rotate, "shear": layer.shear, "affine": affine}
        if whole
        else {},
        labels={"units": tuple(units), "axis_labels": tuple(layer.axis_labels[i] for i in kept)},
        metadata=metadata,
    )


def geometry_of(layer: Layer) -> Geometry:
    """Return where a layer's last three axes lie: exact if it is an output or from a file."""
    kept = layer.metadata.get("geometry")
    placement = _placement(layer, list(range(layer.ndim)))
    if isinstance(kept, Geometry) and np.allclose(kept.spacing, placement.geometry.spacing):
        return kept
    return placement.geometry


def shown_geometry(layer: Layer) -> Geometry:
    """Return where a layer's last three axes lie in the viewer, whatever a file says."""
    placement = _placement(layer, list(range(layer.ndim)))
    keep = [*range(layer.ndim - _SPATIAL, layer.ndim), layer.ndim]
    return Geometry(placement.full[np.ix_(keep, keep)], placement.geometry.unit)


def placed(placement: Placement, geometry: Geometry, ndim: int) -> dict[str, Any]:
    """Transform arguments of a layer whose grid lies at `geometry`, beside its image's."""
    local = np.linalg.inv(placement.geometry.affine) @ geometry.affine
    step, start = np.ones(ndim), np.zeros(ndim)
    step[-_SPATIAL:] = np.diag(local)[:_SPATIAL]
    start[-_SPATIAL:] = local[:_SPATIAL, 3]
    inner = np.diag([*step, 1.0])
    inner[:ndim, ndim] = start
    if not placement.transforms:
        return {"affine": placement.full @ inner, **placement.labels}
    moved = placement.physical @ inner
    # napari's scale is the length that comes before rotation and shear.
    own = np.linalg.norm(placement.physical[:ndim, :ndim], axis=0)
    scale = _own_scale(placement, own) * step
    return {
        "scale": scale,
        "translate": moved[:ndim, ndim],
        **placement.transforms,
        **placement.labels,
    }


def _own_scale(placement: Placement, lengths: FloatArray) -> FloatArray:
    """Return the layer's scale, the diagonal of its linear part once rotation is taken off."""
    n = len(lengths)
    rotate = np.asarray(placement.transforms["rotate"])
    upper = np.linalg.inv(rotate) @ placement.physical[:n, :n]
    return np.asarray(np.diag(upper))


def gate_style(level: int) -> dict[str, Any]:
    """Return how a gate's map looks at first."""
    return {
        "colormap": _GATE_COLORMAP,
        "contrast_limits": (0.0, 1.0),
        "blending": "translucent",
        "opacity": 0.4,
        "visible": level == 1,
        "rgb": False,
    }


def from_prediction(
    prediction: Prediction, placement: Placement, *, mask: bool = True, gates: bool = True
) -> list[LayerData]:
    """Return a prediction as layer data tuples, gates below the mask.

    The finest gate and the mask are visible; the others wait hidden.
    """
    about = {OUTPUT: dict(prediction.provenance), **prediction.metadata}
    layers: list[LayerData] = []
    if gates:
        coarsest = max((g.level for g in prediction.gates), default=0)
        for gate in reversed(prediction.gates):
            rank = {1: " (finest)", coarsest: " (coarsest)"}.get(gate.level, "")
            options = {
                "name": f"{placement.name} · {gate.name}{rank}",
                **gate_style(gate.level),
                "metadata": about | {"geometry": gate.geometry, "gate": gate.level},
                **placed(placement, gate.geometry, gate.coefficients.ndim),
            }
            layers.append((gate.coefficients, options, "image"))
    if prediction.probabilities is not None:
        for label, (name, _) in list(enumerate(prediction.classes))[1:]:
            data = prediction.probabilities[..., label, :, :, :]
            options = {
                "name": f"{placement.name} · probability of {name}",
                "colormap": "viridis",
                "contrast_limits": (0.0, 1.0),
                "blending": "translucent",
                "opacity": 0.6,
                "visible": False,
                "rgb": False,
                "metadata": about | {"geometry": prediction.geometry, "class": name},
                **placed(placement, prediction.geometry, data.ndim),
            }
            layers.append((data, options, "image"))
    if mask:
        options = {
            "name": f"{placement.name} · mask",
            "opacity": 0.5,
            "features": _features(prediction),
            "colormap": colormap(prediction.classes),
            "metadata": about | {"geometry": prediction.geometry},
            **placed(placement, prediction.geometry, prediction.mask.ndim),
        }
        layers.append((prediction.mask, options, "labels"))
    return layers


def transforms(layer: Layer, ndim: int | None = None) -> dict[str, Any]:
    """Return the arguments that lay another layer of `ndim` axes, or as many, on a layer's grid."""
    if ndim == _SPATIAL < layer.ndim:
        geometry = shown_geometry(layer)
        return {
            "affine": geometry.affine,
            "units": layer.units[-_SPATIAL:],
            "axis_labels": layer.axis_labels[-_SPATIAL:],
        }
    return {
        "scale": layer.scale,
        "translate": layer.translate,
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": layer.affine.affine_matrix,
        "units": layer.units,
        "axis_labels": layer.axis_labels,
    }


def colormap(classes: Sequence[tuple[str, tuple[float, float, float]]]) -> DirectLabelColormap:
    """Return the classes' colours; the background and any other label are transparent."""
    colours: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
    for label, (_, colour) in list(enumerate(classes))[1:]:
        colours[label] = (*colour, 1.0)
    return DirectLabelColormap(color_dict=colours)


def _features(prediction: Prediction) -> dict[str, list[Any]]:
    sizes = prediction.class_sizes()
    table: dict[str, list[Any]] = {
        "index": [0, *sizes],
        "class": [prediction.classes[0][0], *(name for name, _, _ in sizes.values())],
        "voxels": [int((prediction.mask == 0).sum()), *(count for _, count, _ in sizes.values())],
    }
    voxel = prediction.geometry.voxel_mm3
    if voxel is not None:
        table["mm3"] = [round(count * voxel, 1) for count in table["voxels"]]
    return table


def show(viewer: Any, layers: list[LayerData], *, keep_old: bool) -> list[Layer]:
    """Add layers to a viewer; a layer of ours with the same name is updated in place.

    A layer that is updated keeps its visibility, opacity, blending and order. Where layers are
    added, earlier results of the same image are hidden: two maps over each other mix.
    """
    shown = []
    before = list(viewer.layers)
    for data, options, kind in layers:
        old = None if keep_old else _ours(viewer, options["name"], kind, np.ndim(data))
        if old is None:
            shown.append(viewer.add_layer(Layer.create(data, dict(options), kind)))
            continue
        old.data = data
        for key in ("scale", "translate", "rotate", "shear", "affine", "metadata", "features"):
            if key in options:
                setattr(old, key, options[key])
        if kind == "labels":
            old.colormap = options["colormap"]
        shown.append(old)
    if not keep_old and not set(shown) <= set(before):
        for layer in outputs_of(viewer, layers[0][1]["metadata"][OUTPUT].get("image")):
            layer.visible = layer.visible and layer in shown
    return shown


def outputs_of(viewer: Any, image: str | None) -> list[Layer]:
    """Return the layers that hold results of an image, by the image's name."""
    return [
        layer
        for layer in viewer.layers
        if OUTPUT in layer.metadata and layer.metadata[OUTPUT].get("image") == image
    ]


def _ours(viewer: Any, name: str, kind: str, ndim: int) -> Layer | None:
    wanted = Labels if kind == "labels" else Image
    for layer in viewer.layers:
        if layer.name == name and isinstance(layer, wanted) and OUTPUT in layer.metadata:
            return layer if layer.ndim == ndim else None
    return None


def plane_on_screen(viewer: Any, image: Image) -> tuple[int, int] | None:
    """Return (axis of Z, Y, X as 0, 1, 2; plane) of an image that a viewer shows.

    None where it shows a volume in 3D.
    """
    behind = [axis - viewer.dims.ndim for axis in viewer.dims.not_displayed]
    across = [axis for axis in behind if axis >= -_SPATIAL]
    if not across:
        return None
    return across[-1] + _SPATIAL, plane_at(viewer, image, across[-1] + _SPATIAL)


def plane_at(viewer: Any, image: Image, axis: int) -> int:
    """Return the plane of an image along an axis (of Z, Y, X) at the viewer's sliders."""
    data = image.data[0] if image.multiscale else image.data
    place = image.world_to_data(viewer.dims.point)[axis - _SPATIAL]
    return int(np.clip(np.round(place), 0, data.shape[axis - _SPATIAL] - 1))


def box(
    shapes: Shapes, image: Image, depth_mm: Sequence[float] | None = None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the voxel box (start, stop) of an image that a Shapes layer encloses.

    A shape drawn on a slice is flat; along that axis the box is made as deep as `depth_mm` says
    (z, y, x; a network's field of view), or else as the mean of its other sides.

    Raises
    ------
    VolumeError
        If there is no shape, or it lies outside the image.
    """
    if not len(shapes.data):
        msg = f"{shapes.name!r} holds no shape. Draw a rectangle around the structure first."
        raise VolumeError(msg)
    data = image.data[0] if image.multiscale else image.data
    size = np.asarray(data.shape[-_SPATIAL:])
    corners = np.concatenate([np.asarray(vertices, dtype=float) for vertices in shapes.data])
    world = [shapes.data_to_world(corner) for corner in corners]
    index = np.asarray([image.world_to_data(point)[-_SPATIAL:] for point in world])
    low, high = index.min(axis=0), index.max(axis=0)
    sides = high - low
    spacing = _placement(image, list(range(image.ndim))).geometry.spacing_mm
    for axis in np.flatnonzero(sides < 1.0):
        depth = float(np.mean(sides[sides >= 1.0])) if (sides >= 1.0).any() else 1.0
        if depth_mm is not None and spacing is not None:
            depth = depth_mm[int(axis)] / spacing[int(axis)]
        low[axis], high[axis] = low[axis] - depth / 2, high[axis] + depth / 2
    start = np.clip(np.floor(low + 0.5), 0, size).astype(int)
    stop = np.clip(np.ceil(high + 0.5), 0, size).astype(int)
    if (stop <= start).any():
        msg = f"The box in {shapes.name!r} lies outside {image.name!r}. Draw it over the image."
        raise VolumeError(msg)
    return tuple(int(i) for i in start), tuple(int(i) for i in stop)


def box_around(viewer: Any, image: Image, extent_mm: Sequence[float]) -> Shapes:
    """Add a Shapes layer with a rectangle of a given size (z, y, x mm) on the slice on screen."""
    placement = _placement(image, list(range(image.ndim)))
    spacing = placement.geometry.spacing_mm or (1.0, 1.0, 1.0)
    data = image.data[0] if image.multiscale else image.data
    size = np.asarray(data.shape[-_SPATIAL:], dtype=float)
    half = np.minimum(np.asarray(extent_mm) / spacing, size) / 2
    point = np.asarray(viewer.dims.point[-image.ndim :])
    centre = np.asarray(image.world_to_data(point))
    shown = [axis - image.ndim for axis in viewer.dims.displayed[-2:] if axis >= 0]
    shown = [axis for axis in shown if axis >= -_SPATIAL] or [-2, -1]
    corners = np.tile(centre, (4, 1))
    for axis, signs in zip(shown, ((-1, -1, 1, 1), (-1, 1, 1, -1)), strict=True):
        middle = size[axis] / 2 - 0.5
        corners[:, axis] = middle + np.asarray(signs) * half[axis]
    layer = Shapes(
        [corners],
        shape_type="rectangle",
        name=f"{image.name} · box",
        edge_color="yellow",
        face_color="transparent",
        edge_width=0.8,
        **transforms(image),
    )
    viewer.add_layer(layer)
    layer.mode = "select"
    return layer
