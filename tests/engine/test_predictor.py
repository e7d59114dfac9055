"""A prediction is the whole volume's, on the input's grid, and says where it comes from."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import TINY, drive, tiny_checkpoint

from napari_attn_unet.engine import session as engine
from napari_attn_unet.engine.intervention import Intervention
from napari_attn_unet.engine.memory import evaluation_bytes, features_bytes
from napari_attn_unet.engine.plan import Plan
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.engine.streaming import evaluate
from napari_attn_unet.errors import AttnUNetError, ConfigError, DeviceError
from napari_attn_unet.network.card import PreprocessingSpec
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.volume import Geometry, Volume


@pytest.fixture
def volume() -> Volume:
    data = np.random.default_rng(0).normal(size=(1, 45, 18, 17))
    return Volume(data, Geometry.from_spacing((2, 1, 1), (5, 6, 7), "mm"))


def test_a_lower_memory_limit_changes_the_plan_and_not_the_result(volume: Volume) -> None:
    whole = Predictor(tiny_checkpoint()).predict(volume, probabilities=True)
    limit = evaluation_bytes(TINY, volume.shape, Plan(0, 1, 8), 4)
    slabs = Predictor(tiny_checkpoint(), memory_limit=limit).predict(volume, probabilities=True)
    assert whole.provenance["plan"] != slabs.provenance["plan"]
    assert whole.probabilities is not None
    assert slabs.probabilities is not None
    np.testing.assert_allclose(slabs.probabilities, whole.probabilities, atol=1e-5)
    np.testing.assert_array_equal(slabs.mask, whole.mask)
    for a, b in zip(slabs.gates, whole.gates, strict=True):
        np.testing.assert_allclose(a.coefficients, b.coefficients, atol=1e-5)


def test_the_mask_is_the_networks_own(volume: Volume) -> None:
    prediction = Predictor(tiny_checkpoint()).predict(volume)
    data = volume.data[0]
    image = torch.from_numpy((data - data.mean()) / data.std()).float()[None, None]
    with torch.no_grad():
        output = tiny_checkpoint().network()(image)
    np.testing.assert_array_equal(prediction.mask, output.logits[0].argmax(0).numpy())
    assert [g.level for g in prediction.gates] == [1, 2]
    np.testing.assert_allclose(
        prediction.gates[0].coefficients, output.gates[1][0, 0].numpy(), atol=1e-5
    )


def test_a_card_with_a_spacing_gives_a_result_on_the_images_grid(volume: Volume) -> None:
    spec = PreprocessingSpec(spacing=(1, 1, 1))
    prediction = Predictor(tiny_checkpoint(spec)).predict(volume, probabilities=True)
    assert prediction.mask.shape == volume.shape
    assert prediction.probabilities is not None
    np.testing.assert_array_equal(prediction.mask, prediction.probabilities.argmax(0))
    gate = prediction.gates[0]
    np.testing.assert_allclose(gate.geometry.spacing, (2, 2, 2))
    corner = gate.geometry.affine @ (-0.5, -0.5, -0.5, 1)
    np.testing.assert_allclose(corner[:3], (4, 5.5, 6.5))


def test_a_threshold_decides_its_class_alone(volume: Volume) -> None:
    predictor = Predictor(tiny_checkpoint())
    plain = predictor.predict(volume, probabilities=True).probabilities
    assert plain is not None
    least = float(np.median(plain[2]))
    mask = predictor.predict(volume, threshold=(2, least)).mask
    np.testing.assert_array_equal(mask == 2, plain[2] >= np.float32(least))
    np.testing.assert_array_equal(mask[mask != 2], plain[:2].argmax(0)[mask != 2])
    with pytest.raises(ConfigError, match="label"):
        predictor.predict(volume, threshold=(3, 0.5))


def test_progress_grows_and_every_voxel_comes_once(volume: Volume) -> None:
    limit = evaluation_bytes(TINY, volume.shape, Plan(0, 1, 8), 4)
    predictor = Predictor(tiny_checkpoint(), memory_limit=limit)
    progress, prediction = drive(predictor.steps(volume))
    done = [p.done for p in progress]
    assert done == sorted(done)
    assert done[-1] == 1.0
    assert [p.gate.level for p in progress if p.gate is not None] == [2, 1]
    mask = np.full(volume.shape, 255, np.uint8)
    for part in (p.part for p in progress if p.part is not None):
        assert (mask[part.box] == 255).all()
        mask[part.box] = part.mask
    np.testing.assert_array_equal(mask, prediction.mask)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_planes_come_outwards_from_the_one_looked_at(axis: int) -> None:
    size = [18, 18, 18]
    size[axis] = 60
    data = np.random.default_rng(0).normal(size=(1, *size))
    # Axes that are reversed and permuted: what is looked at is a plane of the input all the same.
    affine = np.array([[0, 0, -1, 30], [0, -1, 0, 20], [1, 0, 0, 0], [0, 0, 0, 1]], float)
    limit = evaluation_bytes(TINY, (60, 18, 18), Plan(0, 1, 4), 4)
    predictor = Predictor(tiny_checkpoint(), memory_limit=limit)
    progress, _ = drive(
        predictor.steps(Volume(data, Geometry(affine, "mm")), look_at=41, axis=axis)
    )
    spans = [p.part.box[axis] for p in progress if p.part is not None]
    assert len(spans) > 4
    distances = [max(s.start - 41, 41 - s.stop + 1, 0) for s in spans]
    assert distances[0] == 0
    assert distances == sorted(distances)


def test_a_plane_that_is_sent_comes_next(volume: Volume) -> None:
    limit = evaluation_bytes(TINY, volume.shape, Plan(0, 1, 4), 4)
    steps = Predictor(tiny_checkpoint(), memory_limit=limit).steps(volume, look_at=0, axis=0)
    while next(steps).part is None:
        pass
    progress = steps.send(40)
    while progress.part is None:
        progress = next(steps)
    assert progress.part.box[0].start <= 40 < progress.part.box[0].stop


AFFINES = {
    "as the network's": np.diag([1.0, 1.0, 1.0, 1.0]),
    "permuted and reversed": np.array(
        [[0, 1.5, 0, 3], [0, 0, -1, 20], [-2, 0, 0, 7], [0, 0, 0, 1]], float
    ),
}


@pytest.mark.parametrize("spacing", [None, (1.3, 1.1, 0.9)])
@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES)
def test_a_region_is_that_region_of_the_whole_result(
    affine: np.ndarray, spacing: tuple[float, float, float] | None
) -> None:
    data = np.random.default_rng(0).normal(3, 2, size=(1, 50, 41, 38))
    volume = Volume(data, Geometry(affine, "mm"))
    predictor = Predictor(tiny_checkpoint(PreprocessingSpec(spacing=spacing)))
    whole = predictor.predict(volume, probabilities=True)
    box = (slice(21, 26), slice(3, 30), slice(30, 38))
    part = predictor.predict(volume, probabilities=True, region=box)
    assert part.probabilities is not None
    assert whole.probabilities is not None
    expected = whole.probabilities[(slice(None), *box)]
    np.testing.assert_allclose(part.probabilities, expected, atol=1e-5)
    np.testing.assert_array_equal(part.mask, whole.mask[box])
    corner = part.geometry.affine @ (0, 0, 0, 1)
    np.testing.assert_allclose(corner, whole.geometry.affine @ (21, 3, 30, 1))
    for gate, of_whole in zip(part.gates, whole.gates, strict=True):
        # Every voxel of the part's map has the value of the whole map at the same place.
        to_whole = np.linalg.inv(of_whole.geometry.affine) @ gate.geometry.affine
        first = to_whole @ (0, 0, 0, 1)
        np.testing.assert_allclose(first, first.round(), atol=1e-6)
        place = tuple(
            slice(int(i), int(i) + n)
            for i, n in zip(first[:3].round(), gate.coefficients.shape, strict=True)
        )
        np.testing.assert_allclose(gate.coefficients, of_whole.coefficients[place], atol=1e-5)


@pytest.mark.parametrize("spacing", [None, (1.3, 1.1, 0.9)])
def test_kept_features_change_no_result_and_serve_further_regions(
    volume: Volume, spacing: tuple[float, float, float] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled: list[bool] = []

    def counted(*arguments: Any, **options: Any) -> Any:
        if options["features"] is not None:
            filled.append(options["features"].is_filled)
        return evaluate(*arguments, **options)

    monkeypatch.setattr(engine, "evaluate", counted)
    predictor = Predictor(tiny_checkpoint(PreprocessingSpec(spacing=spacing)))
    expected = predictor.predict(volume).mask
    session = predictor.session(volume, axis=0, keep="regions")
    for first in (3, 30):
        box = (slice(first, first + 4), slice(0, 18), slice(2, 17))
        result = drive(session.run(region=box, look_at=first))[1]
        np.testing.assert_array_equal(result.mask, expected[box])
    session.close()
    drive(session.run(region=box))
    assert filled == [False, True, False]


def test_a_cancelled_run_has_kept_what_was_complete(volume: Volume) -> None:
    limit = evaluation_bytes(TINY, volume.shape, Plan(0, 1, 4), 4)
    limit += features_bytes(TINY, volume.shape, 4, "regions") + 100_000
    predictor = Predictor(tiny_checkpoint(), memory_limit=limit)
    session = predictor.session(volume, axis=0, keep="regions")
    assert not session.has_kept
    steps = session.run()
    while not session.has_kept:
        next(steps)
    steps.close()
    first = next(p for p in session.run() if p.gate is not None)
    assert first.done == 0.0


@pytest.mark.parametrize(
    "region", [(slice(0, 5), slice(0, 0), slice(0, 5)), (slice(0, 46), slice(0, 5), slice(0, 5))]
)
def test_a_region_outside_the_volume_is_refused(
    volume: Volume, region: tuple[slice, slice, slice]
) -> None:
    with pytest.raises(ConfigError, match="region"):
        Predictor(tiny_checkpoint()).predict(volume, region=region)


def test_a_dask_or_zarr_array_is_read_in_parts(volume: Volume) -> None:
    da = pytest.importorskip("dask.array")
    largest = []

    def counted(block: np.ndarray) -> np.ndarray:
        largest.append(block.shape[1])
        return block

    lazy = da.from_array(volume.data, chunks=(1, 4, 18, 17)).map_blocks(counted, dtype=float)
    expected = Predictor(tiny_checkpoint()).predict(volume)
    limit = evaluation_bytes(TINY, volume.shape, Plan(0, 2, 4), 4)
    predictor = Predictor(tiny_checkpoint(), memory_limit=limit)
    prediction = predictor.predict(Volume(lazy, volume.geometry))
    np.testing.assert_array_equal(prediction.mask, expected.mask)
    assert max(largest) == 4


@pytest.mark.parametrize("spacing", [None, (1.3, 1.1, 0.9)])
def test_maps_on_disk_are_those_in_memory(
    volume: Volume, tmp_path: Path, spacing: tuple[float, float, float] | None
) -> None:
    zarr = pytest.importorskip("zarr")
    predictor = Predictor(tiny_checkpoint(PreprocessingSpec(spacing=spacing)))
    expected = predictor.predict(volume, probabilities=True)
    store = tmp_path / "maps.zarr"
    prediction = predictor.predict(volume, probabilities=True, store=store)
    on_disk = zarr.open_group(store, mode="r")
    np.testing.assert_array_equal(on_disk["probabilities/0"], expected.probabilities)
    axes = on_disk["probabilities"].attrs["ome"]["multiscales"][0]["axes"]
    assert [axis["name"] for axis in axes] == ["c", "z", "y", "x"]
    for gate, of_disk in zip(expected.gates, prediction.gates, strict=True):
        assert isinstance(of_disk.coefficients, zarr.Array)
        image = on_disk[f"gate{gate.level}"]
        np.testing.assert_array_equal(image["0"], gate.coefficients)
        np.testing.assert_allclose(image.attrs["affine_zyx"], gate.geometry.affine)
        assert image.attrs["unit"] == "mm"
    with pytest.raises(ConfigError, match="does not exist yet"):
        predictor.predict(volume, store=store)


def test_out_of_memory_on_the_device_falls_to_a_smaller_plan_and_says_so(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Predictor(tiny_checkpoint()).predict(volume)
    plans: list[Plan] = []

    def scarce(folded: Any, image: Any, plan: Plan, **options: Any) -> Any:
        plans.append(plan)
        if len(plans) < 3:
            raise torch.OutOfMemoryError
        return evaluate(folded, image, plan, **options)

    monkeypatch.setattr(engine, "evaluate", scarce)
    progress, prediction = drive(Predictor(tiny_checkpoint()).steps(volume))
    needed = [plan.bytes_needed for plan in plans]
    assert len(needed) == 3
    assert needed == sorted(needed, reverse=True)
    assert any("out of memory" in p.phase for p in progress)
    np.testing.assert_array_equal(prediction.mask, expected.mask)


def test_a_closed_run_frees_its_buffers(volume: Volume) -> None:
    steps = Predictor(tiny_checkpoint()).steps(volume)
    while next(steps).gate is None:
        pass
    gc.collect()
    before = sum(isinstance(x, torch.Tensor) for x in gc.get_objects())
    steps.close()
    gc.collect()
    assert sum(isinstance(x, torch.Tensor) for x in gc.get_objects()) < before - 5


def test_bad_input_is_refused_before_the_network_runs(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_attn_unet.engine.session.evaluate", lambda *_: pytest.fail("ran"))
    for data in (np.full_like(volume.data, np.nan), np.ones_like(volume.data), volume.data[[0, 0]]):
        with pytest.raises(AttnUNetError):
            Predictor(tiny_checkpoint()).predict(Volume(data))


def test_a_device_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(DeviceError, match=r"cuda:99.*has cpu \(\d+ threads?\).*auto takes"):
        Predictor(tiny_checkpoint(), device="cuda:99")


def test_provenance_tells_what_was_run(volume: Volume) -> None:
    about = Predictor(tiny_checkpoint(), device="cpu").predict(volume).provenance
    assert about["checkpoint"] == "tiny"
    assert about["device"] == "cpu"
    assert ModelConfig.from_dict(about["config"]) == TINY
    assert set(about["versions"]) == {"napari-attn-unet", "torch"}


def test_a_gate_that_passes_everything_may_be_forced_to_pass_everything(volume: Volume) -> None:
    source = tiny_checkpoint()
    weights = dict(source.state)
    weights["gate.0.psi.bias"] = weights["gate.0.psi.bias"] + 100  # sigmoid of it is 1
    predictor = Predictor(Checkpoint(source.card, weights))
    base = predictor.predict(volume, probabilities=True)
    assert base.gates[0].coefficients.min() == 1
    forced = drive(
        predictor.steps(volume, probabilities=True, interventions={1: Intervention("one")})
    )[1]
    np.testing.assert_array_equal(forced.probabilities, base.probabilities)
    assert forced.provenance["interventions"] == {"gate 1": {"kind": "one"}}


def test_changed_gates_are_run_from_what_was_kept(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    def watched(*arguments: Any, **options: Any) -> Any:
        used.append(options["features"] is not None and options["features"].is_filled)
        return evaluate(*arguments, **options)

    changes = {2: Intervention("mean"), 1: Intervention("zero")}
    expected = drive(Predictor(tiny_checkpoint()).steps(volume, interventions=changes))[1]
    monkeypatch.setattr(engine, "evaluate", watched)
    session = Predictor(tiny_checkpoint()).session(volume, axis=1, keep="gates")
    drive(session.run())
    result = drive(session.run(interventions=changes))[1]
    assert used == [False, True]
    np.testing.assert_array_equal(result.mask, expected.mask)
    assert np.ptp(result.gates[1].coefficients) == 0


def test_a_gate_that_is_not_there_cannot_be_changed(volume: Volume) -> None:
    with pytest.raises(ConfigError, match=r"no gate 3.*gate 1, gate 2"):
        drive(Predictor(tiny_checkpoint()).steps(volume, interventions={3: Intervention("one")}))
    with pytest.raises(ConfigError, match="one of one, mean"):
        Intervention("half")
