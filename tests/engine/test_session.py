"""A session keeps what it says and gives it back; what it plans is what it takes."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from helpers import TINY, drive, tiny_checkpoint

from napari_attn_unet.engine import session as engine
from napari_attn_unet.engine.intervention import Intervention
from napari_attn_unet.engine.memory import evaluation_bytes
from napari_attn_unet.engine.plan import Plan
from napari_attn_unet.engine.planning import plan_run
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.engine.request import Request
from napari_attn_unet.engine.streaming import evaluate
from napari_attn_unet.errors import AttnUNetError, ConfigError
from napari_attn_unet.gates.knockout import table
from napari_attn_unet.network.card import PreprocessingSpec
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.network.model import AttentionUNet
from napari_attn_unet.volume import Geometry, Volume

TURNED = np.array([[0, 0, -1, 30], [0, -1, 0, 20], [1, 0, 0, 0], [0, 0, 0, 1]], float)


@pytest.fixture
def volume() -> Volume:
    data = np.random.default_rng(0).normal(size=(1, 45, 18, 17))
    return Volume(data, Geometry.from_spacing((2, 1, 1), (5, 6, 7), "mm"))


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans that are run."""
    used: list[Plan] = []

    def watched(folded: Any, image: Any, plan: Plan, **options: Any) -> Any:
        used.append(plan)
        return evaluate(folded, image, plan, **options)

    monkeypatch.setattr(engine, "evaluate", watched)
    return used


@pytest.mark.parametrize("spacing", [None, (1.3, 1.1, 0.9)])
@pytest.mark.parametrize("keep", [None, "regions", "gates"])
@pytest.mark.parametrize(
    "wanted",
    [
        Request(),
        Request(probabilities=True),
        Request(region=(slice(3, 9), slice(0, 18), slice(0, 7)), look_at=4),
        Request(interventions={1: Intervention("zero")}),
    ],
)
def test_the_plan_that_is_told_is_the_plan_that_is_run(
    wanted: Request, keep: Any, spacing: Any, volume: Volume, plans: list[Plan]
) -> None:
    limit = int(1.5 * evaluation_bytes(TINY, volume.shape, Plan(0, 1, 8), 4))
    predictor = Predictor(tiny_checkpoint(PreprocessingSpec(spacing=spacing)), memory_limit=limit)
    session = predictor.session(volume, axis=0, keep=keep)
    told, keeps = plan_run(TINY, session.frame, wanted, predictor.budget(), axis=0, keep=keep)
    result = drive(
        session.run(
            probabilities=wanted.probabilities,
            region=wanted.region,
            look_at=wanted.look_at,
            interventions=wanted.interventions,
        )
    )[1]
    assert plans == [told]
    assert 0 < told.bytes_needed <= limit
    assert session.has_kept == keeps
    assert result.provenance["plan"] == told.description


def test_out_of_memory_asks_for_less_every_time(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed: list[int] = []

    def scarce(folded: Any, image: Any, plan: Plan, **options: Any) -> Any:
        needed.append(plan.bytes_needed)
        if len(needed) < 4:
            raise torch.OutOfMemoryError
        return evaluate(folded, image, plan, **options)

    monkeypatch.setattr(engine, "evaluate", scarce)
    drive(Predictor(tiny_checkpoint()).steps(volume))
    assert len(needed) == 4
    assert all(later < earlier for earlier, later in pairwise(needed))


def test_a_closed_session_holds_nothing(volume: Volume) -> None:
    predictor = Predictor(tiny_checkpoint(PreprocessingSpec(spacing=(1.3, 1.1, 0.9))))
    session = predictor.session(volume, axis=0, keep="gates")
    drive(session.run())
    prepared, kept = session._prepared, session._kept
    assert prepared is not None
    assert kept is not None
    held = [weakref.ref(prepared.data), weakref.ref(kept.features)]
    del prepared, kept
    session.close()
    gc.collect()
    assert [ref() for ref in held] == [None, None]
    assert not session.has_kept
    drive(session.run())
    assert session.has_kept


def test_a_cancelled_run_holds_nothing_half_made(volume: Volume) -> None:
    session = Predictor(tiny_checkpoint()).session(volume, axis=0, keep="gates")
    steps = session.run()
    while next(steps).gate is None:
        pass
    assert session._kept is not None
    features = weakref.ref(session._kept.features)
    steps.close()
    gc.collect()
    assert features() is None
    drive(session.run())
    assert session.has_kept


def test_a_plane_that_is_sent_is_one_of_the_volume_whatever_its_axes() -> None:
    data = np.random.default_rng(0).normal(size=(1, 18, 18, 60))
    limit = evaluation_bytes(TINY, (60, 18, 18), Plan(0, 1, 4), 4)
    session = Predictor(tiny_checkpoint(), memory_limit=limit).session(
        Volume(data, Geometry(TURNED, "mm")), axis=2
    )
    steps = session.run(look_at=0)
    while next(steps).part is None:
        pass
    progress = steps.send(40)
    while progress.part is None:
        progress = next(steps)
    assert progress.part.box[2].start <= 40 < progress.part.box[2].stop


def test_a_plane_that_is_sent_while_the_image_is_prepared_is_the_first(volume: Volume) -> None:
    limit = evaluation_bytes(TINY, volume.shape, Plan(0, 1, 4), 4)
    steps = Predictor(tiny_checkpoint(), memory_limit=limit).session(volume, axis=0).run(look_at=0)
    next(steps)
    progress = steps.send(40)
    while progress.part is None:
        progress = next(steps)
    assert progress.part.box[0].start <= 40 < progress.part.box[0].stop


def test_what_was_kept_is_the_network_as_it_is(volume: Volume) -> None:
    expected = Predictor(tiny_checkpoint()).predict(volume, probabilities=True)
    session = Predictor(tiny_checkpoint()).session(volume, axis=0, keep="gates")
    for changes in (
        {1: Intervention("zero"), 2: Intervention("zero")},
        {},
        {2: Intervention("one")},
    ):
        result = drive(session.run(probabilities=True, interventions=changes))[1]
    result = drive(session.run(probabilities=True))[1]
    assert result.probabilities is not None
    np.testing.assert_allclose(result.probabilities, expected.probabilities, atol=1e-5)


def test_every_time_point_of_a_series_is_a_run_of_its_own(volume: Volume) -> None:
    other = Volume(volume.data[:, ::-1].copy(), volume.geometry)
    predictor = Predictor(tiny_checkpoint())
    progress, series = drive(predictor.steps([volume, other], probabilities=True))
    for t, one in enumerate((volume, other)):
        alone = predictor.predict(one, probabilities=True)
        np.testing.assert_array_equal(series.mask[t], alone.mask)
        for of_series, gate in zip(series.gates, alone.gates, strict=True):
            np.testing.assert_array_equal(of_series.coefficients[t], gate.coefficients)
    done = [p.done for p in progress]
    assert done == sorted(done)
    assert [p.time_point for p in progress] == sorted(p.time_point for p in progress)
    assert {p.time_point for p in progress if p.done > 0.5} == {1}


def test_a_plane_sent_in_one_time_point_is_looked_at_in_the_next(volume: Volume) -> None:
    limit = evaluation_bytes(TINY, volume.shape, Plan(0, 1, 4), 4)
    steps = Predictor(tiny_checkpoint(), memory_limit=limit).steps([volume] * 2, look_at=0, axis=0)
    next(steps)
    progress = steps.send(40)
    while progress.time_point == 0 or progress.part is None:
        progress = next(steps)
    assert progress.part.box[0].start <= 40 < progress.part.box[0].stop


@pytest.mark.parametrize("is_filled", [False, True])
@pytest.mark.parametrize("keep", [None, "regions", "gates"])
@pytest.mark.parametrize("level", [1, 2])
def test_a_change_of_gates_is_the_same_whatever_is_kept(
    level: int, keep: Any, is_filled: bool, volume: Volume
) -> None:
    changes = {level: Intervention("scaled", 0.5)}
    predictor = Predictor(tiny_checkpoint())
    alone = drive(predictor.steps(volume, probabilities=True, interventions=changes))[1]
    session = predictor.session(volume, keep=keep)
    if is_filled:
        drive(session.run())
        assert session.has_kept == (keep is not None)
    result = drive(session.run(probabilities=True, interventions=changes))[1]
    np.testing.assert_allclose(result.probabilities, alone.probabilities, atol=1e-6)
    again = drive(session.run(probabilities=True))[1]
    whole = drive(predictor.steps(volume, probabilities=True))[1]
    np.testing.assert_allclose(again.probabilities, whole.probabilities, atol=1e-6)


@pytest.mark.parametrize("room", [True, False])
def test_a_table_runs_the_network_as_it_is_once(
    room: bool, volume: Volume, plans: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not room:
        monkeypatch.setattr(engine, "plan_run", lambda *_, **__: (Plan(0, 1, 8, 1), False))
    session = Predictor(tiny_checkpoint()).session(volume, keep="gates")
    kinds = [Intervention("zero"), Intervention("mean")]
    drive(table(session, None, kinds))
    assert session.has_kept == room
    assert len(plans) == 1 + 2 * len(TINY.gated_levels)


def test_settings_that_mean_nothing_are_refused(volume: Volume) -> None:
    for limit in (-5, 0):
        with pytest.raises(ConfigError, match=f"positive number of bytes, but got {limit}"):
            Predictor(tiny_checkpoint(), memory_limit=limit)
    with pytest.raises(ConfigError, match="'regions' or 'gates' or None, but got 'all'"):
        Predictor(tiny_checkpoint()).session(volume, keep="all")  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(1, 1, 1), (4, 4, 4), (1, 5, 1), (2, 3, 9)])
def test_one_voxel_has_no_spread_to_normalise_by(size: tuple[int, int, int]) -> None:
    config = replace(TINY, norm="instance")
    checkpoint = tiny_checkpoint()
    card = replace(checkpoint.card, config=config.to_dict())
    predictor = Predictor(Checkpoint(card, AttentionUNet(config).state_dict()))
    data = np.random.default_rng(0).normal(size=(1, *size)).astype(np.float32)
    data[0, 0, 0, 0] += 1
    if max(size) > config.multiple:
        assert predictor.predict(Volume(data)).mask.shape == size
        return
    with pytest.raises(AttnUNetError, match=r"more than one voxel|same value") as raised:
        predictor.predict(Volume(data))
    assert "Error" not in str(raised.value)
