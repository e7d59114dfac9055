"""A map on disk says where it lies, in the words of OME-Zarr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_attn_unet.errors import ConfigError
from napari_attn_unet.io.ome_zarr import create_array, open_store
from napari_attn_unet.volume import Geometry

pytest.importorskip("zarr")
GEOMETRY = Geometry.from_spacing((2, 1, 0.5), (5, 6, 7), "um")


def about(group: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = group[name].attrs["ome"]["multiscales"][0]
    return found


def test_scale_and_translation_are_those_of_the_map(tmp_path: Path) -> None:
    group = open_store(tmp_path / "a.zarr")
    array = create_array(group, "gate1", (20, 300, 10), GEOMETRY)
    assert array.shape == (20, 300, 10)
    assert not np.asarray(array).any()
    told = about(group, "gate1")
    assert told["axes"] == [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
    (dataset,) = told["datasets"]
    assert dataset == {
        "path": "0",
        "coordinateTransformations": [
            {"type": "scale", "scale": [2, 1, 0.5]},
            {"type": "translation", "translation": [5, 6, 7]},
        ],
    }
    assert group["gate1"].attrs["unit"] == "um"
    np.testing.assert_array_equal(group["gate1"].attrs["affine_zyx"], GEOMETRY.affine)


def test_axes_before_space_are_time_and_class(tmp_path: Path) -> None:
    group = open_store(tmp_path / "a.zarr")
    create_array(group, "one", (3, 4, 5, 6), Geometry.from_spacing((2, 1, 1)))
    create_array(group, "series", (2, 3, 4, 5, 6), Geometry.from_spacing((2, 1, 1)))
    one, series = about(group, "one"), about(group, "series")
    assert [axis["name"] for axis in one["axes"]] == ["c", "z", "y", "x"]
    assert [axis["type"] for axis in series["axes"]] == ["time", "channel", *["space"] * 3]
    assert not any("unit" in axis for axis in series["axes"])
    scale, translation = series["datasets"][0]["coordinateTransformations"]
    assert scale["scale"] == [1, 1, 2, 1, 1]
    assert translation["translation"] == [0] * 5


@pytest.mark.parametrize(
    ("unit", "name"),
    [("mm", "millimeter"), ("um", "micrometer"), ("nm", "nanometer"), ("cm", "centimeter")],
)
def test_units_have_their_long_names(unit: str, name: str, tmp_path: Path) -> None:
    group = open_store(tmp_path / "a.zarr")
    create_array(group, "a", (4, 5, 6), Geometry.from_spacing(unit=unit))
    assert about(group, "a")["axes"][0]["unit"] == name


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    open_store(tmp_path / "a.zarr")
    with pytest.raises(ConfigError, match="does not exist yet"):
        open_store(tmp_path / "a.zarr")
