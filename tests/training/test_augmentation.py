"""A patch and its label stay together, and only what may change does."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_attn_unet.training import augmentation
from napari_attn_unet.training.augmentation import augment, random_patch
from napari_attn_unet.training.data import Case
from napari_attn_unet.volume import Volume

SIZE = torch.Size((8, 24, 40))  # (Z, Y, X), far from a cube


def in_voxels(n: int = 400, mirror: tuple[str, ...] = ("x",)) -> torch.Tensor:
    """(N, 3, 3): what is sampled, in voxels from the centre, ordered (x, y, z)."""
    theta = augmentation._random_affine(n, SIZE, torch.Generator().manual_seed(0), mirror)
    assert (theta[:, :, 3] == 0).all()
    half = torch.tensor([float(s) / 2 for s in reversed(SIZE)])
    return theta[:, :, :3] * half.view(1, 3, 1) / half.view(1, 1, 3)


def test_voxels_are_turned_and_scaled_not_sheared_whatever_the_patch_is_like() -> None:
    a = in_voxels()
    gram = a.transpose(1, 2) @ a  # of a rotation times scales: their squares, on the diagonal
    off = gram - torch.diag_embed(gram.diagonal(dim1=1, dim2=2))
    assert float(off.abs().max()) < 1e-4
    scales = gram.diagonal(dim1=1, dim2=2).sqrt()
    low, high = augmentation.SCALE
    assert low - 1e-4 <= float(scales.min()) < float(scales.max()) <= high + 1e-4


@pytest.mark.parametrize("mirror", [(), ("x",), ("y",), ("z",), ("z", "y", "x")])
def test_patches_are_mirrored_along_the_axes_asked_for(mirror: tuple[str, ...]) -> None:
    negative = in_voxels(mirror=mirror).diagonal(dim1=1, dim2=2) < 0
    for axis, share in zip("xyz", negative.float().mean(dim=0), strict=True):
        assert float(share) == pytest.approx(0.5 if axis in mirror else 0, abs=0.1)


def test_patches_are_mirrored_left_to_right_where_nothing_is_asked() -> None:
    image, label = torch.randn(4, 1, 8, 8, 8), torch.zeros(4, 8, 8, 8, dtype=torch.uint8)
    alone, asked = (
        augment(image, label, torch.Generator().manual_seed(0), *mirror)[0]
        for mirror in ((), (("x",),))
    )
    assert torch.equal(alone, asked)


def test_half_of_the_patches_keep_their_sharpness() -> None:
    sharp = (in_voxels().abs() - torch.eye(3)).abs().amax((1, 2)) < 1e-5
    assert float(sharp.float().mean()) == pytest.approx(augmentation.UNTURNED, abs=0.1)


def test_what_comes_in_from_outside_is_background() -> None:
    label = torch.ones(16, 16, 16, 16, dtype=torch.uint8)
    _, moved = augment(torch.randn(16, 1, 16, 16, 16), label, torch.Generator().manual_seed(1))
    assert set(moved.unique().tolist()) == {0, 1}
    assert (moved[:, 4:12, 4:12, 4:12] == 1).all()


def test_a_label_neither_grows_nor_shrinks_but_by_its_scale() -> None:
    label = torch.zeros(128, 16, 16, 16, dtype=torch.uint8)
    label[:, 5:11, 5:11, 5:11] = 1
    image = torch.randn(128, 1, 16, 16, 16)
    _, moved = augment(image, label, torch.Generator().manual_seed(1))
    low, high = augmentation.SCALE
    mean = (math.log(high / low) / (high - low)) ** 3  # of 1 / scale, along three axes
    expected = augmentation.UNTURNED + (1 - augmentation.UNTURNED) * mean
    assert float(moved.sum() / label.sum()) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("patch", [(8, 8, 8), (24, 24, 24), (8, 24, 16), (12, 14, 16)])
def test_a_label_is_cut_where_its_image_is(patch: tuple[int, int, int]) -> None:
    shape = (12, 14, 16)
    label = (np.arange(np.prod(shape)) % 251 + 1).astype(np.uint8).reshape(shape)
    image = np.stack([label, 2.0 * label]).astype(np.float32)
    case = Case("a", Volume(image), image, label, label)
    generator, places = torch.Generator().manual_seed(0), set()
    for _ in range(8):
        cut, cut_label = random_patch(case, patch, generator)
        assert cut.shape == (2, *patch)
        assert torch.equal(cut[0], cut_label.float())
        assert torch.equal(cut[1], 2 * cut_label.float())
        assert int((cut_label > 0).sum()) == np.prod(np.minimum(patch, shape))
        places.add(tuple(cut_label.flatten().tolist()))
    assert (len(places) > 1) == (patch != shape)
