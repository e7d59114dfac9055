"""Plans stay within the limit, and the estimate is what they are chosen by."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_attn_unet.engine.frame import Frame
from napari_attn_unet.engine.intervention import Intervention
from napari_attn_unet.engine.memory import (
    evaluation_bytes,
    features_bytes,
    in_words,
    result_bytes,
)
from napari_attn_unet.engine.plan import Plan, context, padded, work
from napari_attn_unet.engine.planning import Budget, choose_plan, plan_run
from napari_attn_unet.engine.request import Keep, Request
from napari_attn_unet.errors import MemoryLimitError
from napari_attn_unet.network.card import PreprocessingSpec
from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.volume import Geometry, Volume

CONFIG = ModelConfig(channels=(16, 32, 64, 128))
SIZE = (96, 128, 112)
sizes = st.tuples(*[st.integers(1, 300)] * 3)


@settings(max_examples=60, deadline=None)
@given(size=sizes, share=st.floats(0.01, 1.2), axis=st.sampled_from([None, 0, 1, 2]))
def test_a_plan_stays_within_the_limit_or_says_what_is_needed(
    size: tuple[int, int, int], share: float, axis: int | None
) -> None:
    limit = int(share * evaluation_bytes(CONFIG, size, Plan(), 4))
    try:
        plan = choose_plan(CONFIG, size, 4, limit, axis)
    except MemoryLimitError as error:
        told = str(error)
        assert in_words(limit) in told
        return
    assert plan.bytes_needed == evaluation_bytes(CONFIG, size, plan, 4) <= limit


def test_what_the_error_says_is_needed_is_enough() -> None:
    with pytest.raises(MemoryLimitError) as caught:
        choose_plan(CONFIG, SIZE, 4, 1)
    number, unit = re.findall(r"at least ([\d.]+) (MB|GB)", str(caught.value))[0]
    rounding = {"MB": 0.5e6, "GB": 0.05e9}[unit]
    enough = int(float(number) * {"MB": 1e6, "GB": 1e9}[unit] + rounding)
    assert choose_plan(CONFIG, SIZE, 4, enough).bytes_needed <= enough


def test_less_memory_means_more_work() -> None:
    limit = 10**12
    plans = []
    while True:
        try:
            plans.append(choose_plan(CONFIG, SIZE, 4, limit))
        except MemoryLimitError:
            break
        limit = plans[-1].bytes_needed - 1
    assert len(plans) > 5
    assert {0, 1, 2} <= {plan.recomputed for plan in plans}
    efforts = [work(CONFIG, SIZE, plan) for plan in plans]
    assert efforts == sorted(efforts)


def test_the_maps_need_as_many_bytes_as_their_numbers() -> None:
    for plan in (Plan(), Plan(0, 1, 16), Plan(1, 2, 8)):
        four, two, none = (evaluation_bytes(CONFIG, SIZE, plan, n) for n in (4, 2, 0))
        assert four - two == two - none > 0


def test_what_is_kept_counts() -> None:
    plan = choose_plan(CONFIG, SIZE, 4, 10**12)
    with_result = choose_plan(CONFIG, SIZE, 4, 10**12, held=10**9)
    assert with_result.bytes_needed == plan.bytes_needed + 10**9
    assert choose_plan(CONFIG, SIZE, 4, with_result.bytes_needed - 1, held=10**9) != with_result


def test_the_axis_asked_for_is_cut_when_that_fits() -> None:
    limit = evaluation_bytes(CONFIG, (40, 40, 400), Plan(0, 1, 8), 4)
    assert choose_plan(CONFIG, (40, 40, 400), 4, limit, axis=0).axis == 0
    least = min(
        evaluation_bytes(CONFIG, (40, 40, 400), Plan(0, r, t), 4)
        for r in range(4)
        for t in (2, 4, 6, 8)
    )
    assert choose_plan(CONFIG, (40, 40, 400), 4, least - 1, axis=0).axis == 2


@given(
    thickness=st.sampled_from([2, 4, 6, 16, 64]),
    level=st.integers(1, 4),
    first=st.integers(0, 100),
    planes=st.integers(1, 200),
)
def test_slabs_cover_every_plane_once(thickness: int, level: int, first: int, planes: int) -> None:
    slabs = Plan(0, 1, thickness).slabs(level, first, first + planes)
    covered = [plane for slab in slabs for plane in range(*slab)]
    assert covered == list(range(first - first % 2, first + planes))
    assert all(begin % 2 == 0 for begin, _ in slabs)
    assert all(end - begin <= max(thickness << (level - 1), 2) for begin, end in slabs)


def test_padding_goes_to_the_next_multiple_slab_axis_first() -> None:
    assert padded(CONFIG, (1, 9, 16), 2) == (16, 8, 16)


def test_the_context_of_a_region_reaches_as_far_as_the_network() -> None:
    reach = CONFIG.reach
    box = context(CONFIG, (1000, 1000, 30), (slice(500, 501), slice(0, 10), slice(3, 4)))
    assert box[0].start <= 500 - reach
    assert box[0].stop >= 501 + reach
    assert box[0].start % CONFIG.multiple == 0
    assert box[1] == slice(0, box[1].stop)
    assert box[2] == slice(0, 30)


def test_a_plan_says_itself_in_words() -> None:
    assert Plan().description == "whole volume at once"
    assert Plan(0, 1, 8).description == "level 1 in slabs of 8 planes"
    assert Plan(0, 2, 8).description == "levels 1-2 in slabs of 8 planes"


def frame(size: tuple[int, int, int] = SIZE, spacing: object = None) -> Frame:
    volume = Volume(np.broadcast_to(np.float32(0), (1, *size)), Geometry.from_spacing(unit="mm"))
    return Frame.of(volume, PreprocessingSpec(spacing=spacing))  # type: ignore[arg-type]


def test_the_result_counts_in_main_memory_and_not_beside_a_gpu() -> None:
    request = Request(probabilities=True)
    host = plan_run(CONFIG, frame(), request, Budget(10**12))[0]
    gpu = plan_run(CONFIG, frame(), request, Budget(10**12, holds_result=False))[0]
    result = result_bytes(CONFIG, frame(), request)
    assert result > 4 * 2 * 96 * 128 * 112
    assert host.bytes_needed == gpu.bytes_needed + result
    assert gpu.bytes_needed == evaluation_bytes(CONFIG, SIZE, gpu, 4)


@pytest.mark.parametrize("keep", ["regions", "gates"])
@pytest.mark.parametrize("holds_result", [True, False])
def test_kept_features_count_wherever_the_network_runs(keep: Keep, holds_result: bool) -> None:
    budget = Budget(10**12, 2, holds_result)
    plan, keeps = plan_run(CONFIG, frame(), Request(), budget, axis=0, keep=keep)
    assert keeps
    result = result_bytes(CONFIG, frame(), Request()) if holds_result else 0
    features = features_bytes(CONFIG, SIZE, 2, keep)
    assert plan.bytes_needed == evaluation_bytes(CONFIG, SIZE, plan, 2) + features + result


@pytest.mark.parametrize("keep", ["regions", "gates"])
def test_features_are_kept_only_where_there_is_room(keep: Keep) -> None:
    recomputed = (1,) if keep == "gates" else (1, 2, 3)
    held = features_bytes(CONFIG, SIZE, 4, keep) + result_bytes(CONFIG, frame(), Request())
    least = min(
        held + evaluation_bytes(CONFIG, SIZE, Plan(axis, levels, thickness), 4)
        for axis in (0, 1)
        for levels in recomputed
        for thickness in (2, 4, 6, 8)
    )
    plan, keeps = plan_run(CONFIG, frame(), Request(), Budget(least), keep=keep)
    assert keeps
    assert plan.bytes_needed == least
    plan, keeps = plan_run(CONFIG, frame(), Request(), Budget(least - 1), keep=keep)
    assert not keeps
    assert plan.bytes_needed < least


@pytest.mark.parametrize("keep", ["regions", "gates"])
def test_a_plan_that_keeps_serves_what_is_kept(keep: Keep) -> None:
    """The finest skip connection is never kept; for gates, all the others must be."""
    limit = 10**12
    seen = set()
    while True:
        plan, keeps = plan_run(CONFIG, frame(), Request(), Budget(limit), axis=0, keep=keep)
        if not keeps:
            break
        seen.add(plan.recomputed)
        limit = plan.bytes_needed - 1
    assert seen == ({1} if keep == "gates" else {1, 2})


def test_kept_features_are_used_along_their_own_axis_or_not_at_all() -> None:
    long = frame((40, 40, 400))
    plan, keeps = plan_run(
        CONFIG, long, Request(), Budget(10**12), axis=1, keep="regions", kept_axis=0
    )
    assert (plan.axis, keeps) == (0, True)
    plan, keeps = plan_run(
        CONFIG, long, Request(), Budget(10**12), axis=0, keep="regions", kept_axis=2
    )
    assert (plan.axis, keeps) == (2, True)
    held = features_bytes(CONFIG, long.shape, 4, "regions") + result_bytes(CONFIG, long, Request())
    least = min(
        held + evaluation_bytes(CONFIG, long.shape, Plan(0, r, t), 4)
        for r in (1, 2, 3)
        for t in (2, 4, 6, 8)
    )
    budget = Budget(least - 1)  # enough along the longest axis only
    assert plan_run(CONFIG, long, Request(), budget, keep="regions")[1]
    keeps = plan_run(CONFIG, long, Request(), budget, keep="regions", kept_axis=0)[1]
    assert not keeps


def test_a_run_with_changed_gates_fills_nothing_but_uses_what_is_there() -> None:
    request = Request(interventions={1: Intervention("zero")})
    budget = Budget(10**12)
    plan, keeps = plan_run(CONFIG, frame(), request, budget, keep="gates")
    assert not keeps
    result = result_bytes(CONFIG, frame(), request)
    assert plan.bytes_needed == evaluation_bytes(CONFIG, SIZE, plan, 4) + result
    assert plan_run(CONFIG, frame(), request, budget, keep="gates", kept_axis=0)[1]


def test_a_network_that_is_not_local_keeps_nothing() -> None:
    config = replace(CONFIG, norm="instance")
    plan, keeps = plan_run(config, frame(), Request(), Budget(10**12), axis=0, keep="regions")
    assert (plan.recomputed, keeps) == (0, False)


def test_the_axis_looked_along_is_the_networks() -> None:
    affine = np.array([[0, 0, -1, 30], [0, -1, 0, 20], [1, 0, 0, 0], [0, 0, 0, 1]], float)
    volume = Volume(np.zeros((1, *SIZE)), Geometry(affine, "mm"))
    turned = Frame.of(volume, PreprocessingSpec())
    assert turned.shape == SIZE[::-1]
    for axis in range(3):
        plan, _ = plan_run(CONFIG, turned, Request(), Budget(10**12), axis=axis)
        assert plan.axis == 2 - axis


def test_maps_on_disk_leave_room() -> None:
    there = Request(probabilities=True, store=Path("maps.zarr"))
    on_disk = plan_run(CONFIG, frame(), there, Budget(10**12))[0]
    in_memory = plan_run(CONFIG, frame(), Request(probabilities=True), Budget(10**12))[0]
    assert in_memory.bytes_needed - on_disk.bytes_needed == 4 * 2 * 96 * 128 * 112


def test_a_softmax_sees_the_whole_volume_whatever_the_region() -> None:
    region = (slice(500, 501), slice(0, 10), slice(3, 4))
    config = replace(CONFIG, coefficients="softmax")
    whole = (slice(0, 1000), slice(0, 1000), slice(0, 30))
    assert context(config, (1000, 1000, 30), region) == whole
    assert context(CONFIG, (1000, 1000, 30), None) == whole
