"""Plans stay within the limit, and the estimate is what they are chosen by."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_attn_unet.engine.memory import evaluation_bytes, in_words
from napari_attn_unet.engine.plan import Plan, context, padded, work
from napari_attn_unet.engine.planning import choose_plan
from napari_attn_unet.errors import MemoryLimitError
from napari_attn_unet.network.config import ModelConfig

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
