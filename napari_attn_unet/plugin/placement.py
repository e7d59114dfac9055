"""Where layers lie: placed by their index space, relative to their image.

Whatever transform an image layer has (scale, rotation, shear, affine), its outputs have the same,
composed with a scaling and a shift of voxel indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from napari.layers import Layer
from pint import get_application_registry

from napari_attn_unet.volume import MILLIMETRES, FloatArray, Geometry, unit_symbol

GEOMETRY, SHOWN = "geometry", "shown"
"""Keys of an output's exact geometry, and of where it was first shown, in its layer's metadata."""
_SPATIAL = 3
_ROUNDING = 1e-6
"""Of a voxel: what is moved by less lies where it was."""
_UNITS = 64
"""Units whose length and name are kept: pint looks each up anew, a millisecond for every slice."""


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


def placement_of(layer: Layer, axes: Sequence[int] | None = None) -> Placement:
    """Return where a layer lies; of some of its axes only, if they are given."""
    n = layer.ndim
    kept = list(range(n)) if axes is None else list(axes)
    origin = np.asarray(layer.data_to_world(np.zeros(n)), dtype=np.float64)
    full = np.eye(n + 1)
    full[:n, n] = origin
    for axis, unit in enumerate(np.eye(n)):
        full[:n, axis] = np.asarray(layer.data_to_world(unit)) - origin
    affine = np.asarray(layer.affine.affine_matrix, dtype=np.float64)
    physical = np.linalg.inv(affine) @ full
    keep = [*kept, n]
    units = [_name(layer.units[i]) for i in kept]
    spatial = full[np.ix_([*kept[-_SPATIAL:], n], [*kept[-_SPATIAL:], n])]
    geometry = in_one_unit(spatial, [layer.units[i] for i in kept[-_SPATIAL:]])
    metadata: dict[str, Any] = {}
    source, output = layer.metadata.get("nifti"), layer.metadata.get(GEOMETRY)
    if source is not None:
        metadata = {"nifti": source}
    if isinstance(output, Geometry):
        geometry = _moved(output, layer.metadata[SHOWN], geometry)
    elif source is not None:
        as_read_now = Geometry(as_read("", source.geometry).full, source.geometry.unit)
        geometry = _moved(source.geometry, as_read_now, geometry)
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


def in_one_unit(affine: FloatArray, units: Sequence[Any]) -> Geometry:
    """Return the geometry of an affine (4, 4) whose world axes (z, y, x) have units (pint's) each.

    In the smallest of them, as napari shows them, and in mm if that is one which `Geometry` does
    not know (an inch); in "pixel" where one is no length.
    """
    found = [_millimetres(unit) for unit in units]
    lengths = [length for length in found if length is not None]
    if len(lengths) < len(found):
        return Geometry(affine)
    unit = unit_symbol(_name(units[lengths.index(min(lengths))]))
    unit = unit if unit in MILLIMETRES else "mm"
    by = [length / MILLIMETRES[unit] for length in lengths]
    return Geometry(np.diag([*by, 1.0]) @ affine, unit)


@lru_cache(maxsize=_UNITS)
def _millimetres(unit: Any) -> float | None:
    """Return the length of a unit of napari's; None if it is none of length."""
    if not unit.is_compatible_with("mm"):
        return None
    known = MILLIMETRES.get(unit_symbol(_name(unit)))
    return float((1 * unit).to("mm").magnitude) if known is None else known


@lru_cache(maxsize=_UNITS)
def _name(unit: Any) -> str:
    return str(unit)


def geometry_of(layer: Layer) -> Geometry:
    """Return where a layer's last three axes lie: exact if it is an output or from a file."""
    return placement_of(layer).geometry


def _moved(exact: Geometry, then: Geometry, now: Geometry) -> Geometry:
    """Return where a grid lies once its layer was moved, scaled, turned or cropped in the viewer.

    Parameters
    ----------
    exact
        Where it lies, as its file or its run says.
    then
        Where its layer was first shown: scaled and moved, but not turned.
    now
        Where it is shown now. What differs is a change of the grid's indices, which is made to
        the exact place. Where the unit alone differs, somebody has said it since.
    """
    if now.unit not in MILLIMETRES:
        now = replace(now, unit=then.unit)
    change = np.linalg.inv(then.affine) @ now.affine
    if np.allclose(change, np.eye(4), rtol=0, atol=_ROUNDING):
        return exact if now.unit == then.unit else replace(exact, unit=now.unit, assumed=False)
    change = now.indices_in(then)
    if np.allclose(change, np.eye(4), rtol=0, atol=_ROUNDING):
        return exact
    return replace(exact, affine=exact.affine @ change)


def remembered(placement: Placement, geometry: Geometry) -> dict[str, Any]:
    """Return what the metadata of a layer that is laid by `placed` keep of its place."""
    inner = np.linalg.inv(placement.geometry.affine) @ geometry.affine
    place = placement.in_space()
    registry = get_application_registry()  # type: ignore[no-untyped-call]
    units = [registry.Unit(name) for name in place.labels["units"]]
    return {GEOMETRY: geometry, SHOWN: in_one_unit(place.full @ inner, units)}


def time_step(layer: Layer) -> float | None:
    """Return the seconds between two volumes of a series; None if its unit is none of time."""
    if layer.ndim != _SPATIAL + 1 or not layer.units[0].is_compatible_with("second"):
        return None
    return float((float(layer.scale[0]) * layer.units[0]).to("second").magnitude)


def places(layer: Layer, other: Layer) -> tuple[Geometry, Geometry]:
    """Return where two layers lie whose voxels are to meet.

    Where their files say, if both come from files, as a file's direction is not shown; else as
    they lie over each other in the viewer.
    """
    if "nifti" in layer.metadata and "nifti" in other.metadata:
        return geometry_of(layer), geometry_of(other)
    return shown_geometry(layer), shown_geometry(other)


def shown_geometry(layer: Layer) -> Geometry:
    """Return where a layer's last three axes lie in the viewer, whatever a file says."""
    placement = placement_of(layer)
    keep = [*range(layer.ndim - _SPATIAL, layer.ndim), layer.ndim]
    shown = in_one_unit(placement.full[np.ix_(keep, keep)], layer.units[-_SPATIAL:])
    from_file = placement.metadata and placement.geometry.unit == shown.unit
    return replace(shown, assumed=bool(from_file and placement.geometry.assumed))


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


def as_read(name: str, geometry: Geometry, *, series: bool = False) -> Placement:
    """Return where our reader shows an image, or a series of them: scaled and moved, not turned."""
    lead = int(series)
    n = lead + _SPATIAL
    full = np.diag([*(1.0,) * lead, *geometry.spacing, 1.0])
    full[lead:n, n] = geometry.origin
    turned = {"rotate": np.eye(n), "shear": np.zeros(n * (n - 1) // 2), "affine": np.eye(n + 1)}
    units = (*("pixel",) * lead, *(geometry.unit,) * _SPATIAL)
    labels = {"units": units, "axis_labels": (*("t",) * lead, "z", "y", "x")}
    return Placement(name, geometry, full, full, turned, labels)


def transforms(layer: Layer, ndim: int | None = None) -> dict[str, Any]:
    """Return the arguments that lay another layer of `ndim` axes, or as many, on a layer's grid."""
    if ndim == _SPATIAL < layer.ndim:
        return {
            "affine": placement_of(layer).in_space().full,
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
