"""The phantom's truth is what its image shows."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, gaussian_filter

from napari_attn_unet import phantom
from napari_attn_unet.errors import ShapeError


def test_a_seed_gives_the_same_volume_and_another_seed_another() -> None:
    (a, a_truth), (b, b_truth), (c, _) = (phantom.make((32, 32, 32), s) for s in (3, 3, 4))
    np.testing.assert_array_equal(a.data, b.data)
    np.testing.assert_array_equal(a_truth, b_truth)
    assert not np.array_equal(a.data, c.data)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", [(48, 48, 48), (33, 48, 61), (17, 40, 23), (16, 16, 16)])
def test_both_lobes_are_there_and_touch(shape: tuple[int, int, int], seed: int) -> None:
    volume, truth = phantom.make(shape, seed)
    assert volume.shape == truth.shape == shape
    assert (binary_dilation(truth == 1) & (truth == 2)).any()


@pytest.mark.parametrize("seed", range(5))
def test_intensity_alone_does_not_tell_the_lobes_apart(seed: int) -> None:
    volume, truth = phantom.make((48, 48, 48), seed)
    front, back = (float(volume.data[0][truth == k].mean()) for k in (1, 2))
    assert front == pytest.approx(back, rel=0.1)


@pytest.mark.parametrize("seed", range(2))
def test_the_front_lobe_has_the_finer_grain(seed: int) -> None:
    volume, truth = phantom.make((48, 48, 48), seed)
    steps = np.abs(np.diff(volume.data[0].astype(float), axis=0))
    front, back = (
        steps[(truth[1:] == label) & (truth[:-1] == label)].mean()
        for label in (phantom.CLASSES.index("front lobe"), phantom.CLASSES.index("back lobe"))
    )
    assert front > 1.5 * back


@pytest.mark.parametrize("seed", range(2))
def test_look_alikes_are_as_bright_as_the_lobes_and_no_truth(seed: int) -> None:
    volume, truth = phantom.make((48, 48, 48), seed)
    smooth = gaussian_filter(volume.data[0], 2)
    bright = smooth > 0.9 * np.median(smooth[truth > 0])
    others = bright & ~binary_dilation(truth > 0, iterations=3)
    assert others.sum() > 0.5 * (truth > 0).sum()


def test_a_volume_too_small_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"at least 16.*\(15, 32, 32\).*larger shape"):
        phantom.make((15, 32, 32))


def test_it_needs_no_torch() -> None:
    code = "import sys, napari_attn_unet.phantom; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
