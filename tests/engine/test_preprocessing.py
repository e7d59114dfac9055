"""What goes in comes back to its own grid."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from napari_attn_unet.engine import preprocessing
from napari_attn_unet.engine.preprocessing import prepare, statistics
from napari_attn_unet.errors import AttnUNetError
from napari_attn_unet.network.card import PreprocessingSpec
from napari_attn_unet.volume import Geometry, Volume

SPEC = PreprocessingSpec()
SHAPE = (5, 6, 7)


@pytest.mark.parametrize("dtype", ["?", "u1", "<i2", ">i2", "i8", "u8", "f2", ">f4", "f8"])
def test_every_real_dtype_is_normalised_alike(dtype: str) -> None:
    array = (np.arange(210).reshape(SHAPE) % 97).astype(dtype)
    strided = np.repeat(array, 2, axis=2)[:, :, ::2]
    data = np.asarray(prepare(Volume(strided[np.newaxis]), SPEC).data)
    expected = array.astype(np.float64)
    np.testing.assert_allclose(data[0], (expected - expected.mean()) / expected.std(), atol=1e-5)
    assert data.dtype == np.float32


@pytest.mark.parametrize(
    ("array", "word"),
    [
        (np.full((1, *SHAPE), 3.0), "same value"),
        (np.where(np.arange(210).reshape(1, *SHAPE) == 7, np.nan, 1.0), "NaN"),
        (np.where(np.arange(210).reshape(1, *SHAPE) == 7, np.inf, 1.0), "infinite"),
        (np.ones((2, *SHAPE)), "2"),
        (np.ones((1, *SHAPE), complex), "complex"),
    ],
)
def test_what_cannot_be_segmented_is_refused_in_words(array: np.ndarray, word: str) -> None:
    with pytest.raises(AttnUNetError, match=word):
        prepare(Volume(array), SPEC)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ([(4, 2, 3)], "1 voxel of 'volume' has no number .* it lies at z = 4, y = 2, x = 3 "),
        ([(4, 5, 1), (3, 0, 6)], "2 voxels .* have no number .* first lies at z = 3, y = 0, x = 6"),
    ],
)
def test_voxels_without_a_number_are_told_in_words_with_their_place(
    bad: list[tuple[int, int, int]], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = np.random.default_rng(0).normal(size=(1, *SHAPE))
    for place in bad:
        array[(0, *place)] = np.nan
    with pytest.raises(AttnUNetError, match=told) as error:
        statistics(array)
    assert "numpy" not in str(error.value)  # nobody in the window has a Python at hand
    # A plane at a time, as a large volume is read: its planes are counted from the first one.
    monkeypatch.setattr(preprocessing, "_blocks", lambda a, c: (plane[None] for plane in a[c]))
    with pytest.raises(AttnUNetError, match=told):
        statistics(array)


@pytest.mark.filterwarnings("ignore:overflow")
def test_values_that_no_sum_holds_are_not_called_missing() -> None:
    with pytest.raises(AttnUNetError, match="too large"):
        statistics(np.full((1, *SHAPE), 1e308))


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
def test_every_orientation_goes_there_and_back(
    order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, list(order)] * signs
    array = np.random.default_rng(0).normal(size=SHAPE)
    prepared = prepare(Volume(array[np.newaxis], Geometry(affine, "mm")), SPEC)
    expected = (array - array.mean()) / array.std()
    np.testing.assert_allclose(
        prepared.frame.restore(np.asarray(prepared.data))[0], expected, atol=1e-5
    )
    # A gate's map of the network's own grid lies where the network computed it.
    size = [-(-n // 2) for n in prepared.frame.shape]
    gate = np.arange(np.prod(size), dtype=np.float32).reshape(size)
    restored, geometry = prepared.frame.restore_gate(gate, 1)
    world_of_network = (
        Geometry(affine).oriented(prepared.frame.orientation, SHAPE).coarsened(2).affine
    )
    for index in ((0, 0, 0), (1, 2, 1)):
        world = world_of_network @ (*index, 1)
        place = np.round(np.linalg.inv(geometry.affine) @ world)[:3].astype(int)
        np.testing.assert_allclose((geometry.affine @ (*place, 1))[:3], world[:3], atol=1e-9)
        assert restored[tuple(place)] == gate[index]


def test_a_volume_is_resampled_only_where_its_unit_is_known() -> None:
    array = np.random.default_rng(0).normal(size=(1, 10, 12, 14))
    spec = PreprocessingSpec(spacing=(1, 1, 1))
    fine = Geometry.from_spacing((0.5, 1.0, 2.0), unit="mm")
    assert prepare(Volume(array, fine), spec).data.shape == (1, 5, 12, 28)
    pixels = Geometry.from_spacing((0.5, 1.0, 2.0))
    assert prepare(Volume(array, pixels), spec).data.shape == array.shape


def test_a_ramp_survives_resampling_and_back() -> None:
    ramp = np.linspace(0, 1, 24)[:, None, None] * np.ones((24, 8, 8))
    spec = PreprocessingSpec(spacing=(1, 1, 1), intensity="none")
    volume = Volume(ramp[np.newaxis], Geometry.from_spacing((0.5, 0.5, 0.5), unit="mm"))
    prepared = prepare(volume, spec)
    assert prepared.data.shape == (1, 12, 4, 4)
    np.testing.assert_allclose(
        prepared.frame.restore(np.asarray(prepared.data))[0][4:-4], ramp[4:-4], atol=0.02
    )


def test_every_channel_is_normalised_by_its_own_numbers() -> None:
    rng = np.random.default_rng(0)
    channels = np.stack([rng.normal(5, 2, SHAPE), rng.normal(-300, 40, SHAPE)])
    data = np.asarray(prepare(Volume(channels), SPEC, channels=2).data)
    np.testing.assert_allclose(data.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(data.std(axis=(1, 2, 3)), 1, atol=1e-5)


def test_numbers_far_from_zero_keep_their_differences() -> None:
    array = (1e6 + np.arange(210) % 7).astype(np.float32).reshape(1, *SHAPE)
    mean, deviation = statistics(array)
    exact = array.astype(np.float64)
    assert mean == pytest.approx(exact.mean(), rel=1e-12)
    assert deviation == pytest.approx(exact.std(), rel=1e-9)
    half = (2000 + np.arange(210) % 7).astype(np.float16).reshape(1, *SHAPE)
    assert statistics(half)[1] == pytest.approx(half.astype(np.float64).std(), rel=1e-9)


@pytest.mark.parametrize("planes", [1, 2, 5])
def test_a_volume_in_chunks_has_the_numbers_of_the_whole(planes: int) -> None:
    da = pytest.importorskip("dask.array")
    array = np.random.default_rng(0).normal(5, 2, size=(1, *SHAPE))
    lazy = da.from_array(array, chunks=(1, planes, 6, 7))
    assert statistics(lazy) == pytest.approx((array.mean(), array.std()), rel=1e-12)


def test_a_part_is_that_part_of_the_whole_whatever_the_axes() -> None:
    affine = np.array([[0, 1.5, 0, 3], [0, 0, -1, 20], [-2, 0, 0, 7], [0, 0, 0, 1]], float)
    array = np.random.default_rng(0).normal(size=(1, *SHAPE))
    data = prepare(Volume(array, Geometry(affine, "mm")), SPEC).data
    whole = np.asarray(data)
    assert data.shape == whole.shape
    part = (slice(0, 1), slice(1, 4), slice(2, 5), slice(0, 3))
    np.testing.assert_array_equal(data[part], whole[part])


def test_a_card_that_wants_no_normalisation_gets_the_values() -> None:
    array = np.random.default_rng(0).normal(5, 2, size=(1, *SHAPE)).astype(np.float32)
    plain = PreprocessingSpec(intensity="none", orientation="as is")
    np.testing.assert_array_equal(np.asarray(prepare(Volume(array), plain).data), array)
