"""What each intervention lets pass, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_attn_unet.engine.intervention import KINDS, Intervention
from napari_attn_unet.errors import ConfigError

# Two planes of which the second is padding: the image is (1, 2, 3).
WEIGHT = torch.tensor(
    [[[0.1, 0.2, 0.3], [0.4, 0.5, 0.9]], [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]], dtype=torch.float32
)
SIZE = (1, 2, 3)


def passes(kind: str, **options: float) -> np.ndarray:
    before = WEIGHT.clone()
    changed = Intervention(kind, **options).apply(WEIGHT, SIZE)  # type: ignore[arg-type]
    assert torch.equal(before, WEIGHT), "the map itself is changed"
    assert changed.dtype == WEIGHT.dtype
    return changed.numpy()


def test_one_lets_everything_pass_and_zero_nothing() -> None:
    assert (passes("one") == 1).all()
    assert (passes("zero") == 0).all()


def test_mean_is_the_mean_of_the_image_not_its_median_nor_the_paddings() -> None:
    np.testing.assert_allclose(passes("mean"), np.full(WEIGHT.shape, 2.4 / 6), rtol=1e-6)


def test_scaled_multiplies_and_is_cut_at_one() -> None:
    np.testing.assert_allclose(passes("scaled", factor=0.5), WEIGHT.numpy() / 2)
    expected = [[0.3, 0.6, 0.9], [1.0, 1.0, 1.0]]
    np.testing.assert_allclose(passes("scaled", factor=3.0)[0], expected, rtol=1e-6)


def test_scaled_cuts_what_exceeds_one_at_its_own_largest() -> None:
    """Weights of a softmax gate average one; some are far above."""
    weight = torch.tensor([[[0.5, 1.0, 4.0]]])
    scaled = Intervention("scaled", 2.0).apply(weight, (1, 1, 3))
    assert scaled.tolist() == [[[1.0, 2.0, 4.0]]]


def test_shuffled_has_the_same_values_elsewhere() -> None:
    shuffled = passes("shuffled", seed=3)
    image = WEIGHT.numpy()[0]
    assert sorted(shuffled[0].ravel()) == sorted(image.ravel())
    assert not np.array_equal(shuffled[0], image)
    assert (shuffled[1] == 1).all(), "the padding stays"
    np.testing.assert_array_equal(passes("shuffled", seed=3), shuffled)
    assert not np.array_equal(passes("shuffled", seed=4), shuffled)


def test_a_large_map_is_shuffled_thoroughly() -> None:
    weight = torch.arange(1000.0).view(10, 10, 10)
    shuffled = Intervention("shuffled").apply(weight, (10, 10, 10))
    assert float((shuffled == weight).float().mean()) < 0.02


def test_an_intervention_says_what_decides_it() -> None:
    assert Intervention("scaled", 0.5).to_dict() == {"kind": "scaled", "factor": 0.5}
    assert Intervention("shuffled", seed=2).to_dict() == {"kind": "shuffled", "seed": 2}
    assert Intervention("zero").to_dict() == {"kind": "zero"}
    assert str(Intervention("scaled", 0.5)) == "scaled × 0.5"


@pytest.mark.parametrize("factor", [-0.1, float("inf"), float("nan")])
def test_a_factor_that_is_none_is_refused(factor: float) -> None:
    with pytest.raises(ConfigError, match="at least 0"):
        Intervention("scaled", factor)


def test_every_kind_is_told_in_words() -> None:
    assert set(KINDS) == {"one", "mean", "zero", "shuffled", "scaled"}
