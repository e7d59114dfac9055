"""Letters and upright views, against nibabel's, for every way that axes can run."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_attn_unet import io
from napari_attn_unet.report import orientation
from napari_attn_unet.volume import Geometry

WAYS = [(p, f) for p in permutations(range(3)) for f in product((1, -1), repeat=3)]
REVERSE = np.eye(4)[[2, 1, 0, 3]]


def geometry(order: tuple[int, ...], flips: tuple[int, ...], tilt: float = 0.0) -> Geometry:
    """Array axis i runs along world axis order[i], forward or back, a little tilted."""
    affine = np.eye(4)
    linear = np.zeros((3, 3))
    for axis, (world, flip) in enumerate(zip(order, flips, strict=True)):
        linear[world, axis] = flip * (1.0, 2.0, 0.5)[axis]
    c, s = np.cos(tilt), np.sin(tilt)
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ linear
    return Geometry(affine, "mm")


@pytest.mark.parametrize("tilt", [0.0, 0.3])
@pytest.mark.parametrize(("order", "flips"), WAYS)
def test_letters_are_those_of_nibabel(
    order: tuple[int, ...], flips: tuple[int, ...], tilt: float
) -> None:
    place = geometry(order, flips, tilt)
    codes = nibabel.aff2axcodes(REVERSE @ place.affine @ REVERSE)[::-1]  # of (z, y, x)
    assert tuple(high for _, high in orientation.letters(place)) == codes
    opposite = dict(zip("LRAPSI", "RLPAIS", strict=True))
    assert all(low == opposite[high] for low, high in orientation.letters(place))


def test_an_axis_between_two_sides_has_no_letter() -> None:
    assert orientation.letters(geometry((0, 1, 2), (1, 1, 1), np.pi / 4))[:2] == (("", ""),) * 2


@pytest.mark.parametrize("convention", ["radiological", "neurological"])
@pytest.mark.parametrize(("order", "flips"), WAYS)
def test_a_head_stands_upright(order: tuple[int, ...], flips: tuple[int, ...], convention) -> None:
    place = geometry(order, flips)
    for axis in range(3):
        view = orientation.view_of(place, axis, convention)
        name = orientation.plane_name(place, axis, known=True)
        sides = view.sides(place)
        assert sides["top"] == ("A" if name == "axial" else "S")
        left = "A" if name == "sagittal" else {"radiological": "R", "neurological": "L"}[convention]
        assert sides["left"] == left


@pytest.mark.parametrize(("order", "flips"), WAYS)
def test_what_is_turned_lies_where_the_letters_say(
    order: tuple[int, ...], flips: tuple[int, ...]
) -> None:
    place = geometry(order, flips)
    data = np.zeros((4, 5, 6))
    ends = orientation.letters(place)
    for axis in range(3):
        view = orientation.view_of(place, axis)
        for side, letter in view.sides(place).items():
            marked = np.zeros_like(data)
            of = next(a for a in range(3) if letter in ends[a])
            index = [slice(None)] * 3
            index[of] = 0 if ends[of][0] == letter else -1
            marked[tuple(index)] = 1
            seen = view.turn(marked.take(1, axis))
            edge = {"top": seen[0], "bottom": seen[-1], "left": seen[:, 0], "right": seen[:, -1]}
            assert edge[side].all()
            assert seen.sum() == edge[side].size


def test_where_the_sides_are_unknown_nothing_is_turned_or_lettered() -> None:
    place = geometry((2, 0, 1), (-1, 1, -1))
    plane = np.arange(12).reshape(3, 4)
    view = orientation.view_of(place, 1, known=False)
    assert np.array_equal(view.turn(plane), plane)
    assert not any(view.sides(place).values())
    stored = orientation.view_of(place, 1, "as stored")
    assert np.array_equal(stored.turn(plane), plane)
    assert all(stored.sides(place).values())


def test_a_slice_lies_where_the_slider_has_it() -> None:
    place = Geometry.from_spacing((2.0, 1.0, 1.0), (-63.0, 0, 0), unit="mm")
    assert orientation.position(place, 0, 23) == "z 23 · -17 mm"
    assert orientation.position(Geometry.from_spacing(), 2, 4) == "x 4"
    assert orientation.position(place, 0, 23, known=False) == "z 23"


@pytest.mark.parametrize(("sform", "qform"), [(0, 0), (0, 1), (4, 0), (1, 1)])
def test_a_file_without_a_code_knows_no_sides(tmp_path: Path, sform: int, qform: int) -> None:
    image = nibabel.Nifti1Image(np.zeros((3, 4, 5), np.float32), np.eye(4))
    image.set_sform(np.eye(4), sform)
    image.set_qform(np.eye(4), qform)
    nibabel.save(image, tmp_path / "a.nii.gz")
    (volume,) = io.read(tmp_path / "a.nii.gz")
    assert orientation.is_known(volume.metadata) == (sform > 0 or qform > 0)


def test_a_slice_of_a_mirrored_layer_lies_where_the_slider_has_it() -> None:
    mirrored = Geometry(np.diag([-2.0, 1.0, 1.0, 1.0]), "mm")
    assert orientation.position(mirrored, 0, 5) == "z 5 · -10 mm"
