"""Devices, precisions and budgets are those that are there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from napari_attn_unet.engine import devices
from napari_attn_unet.errors import DeviceError


@pytest.mark.parametrize(
    ("there", "picked"),
    [(("cpu",), "cpu"), (("cpu", "mps"), "mps"), (("cpu", "cuda:0", "cuda:1"), "cuda:0")],
)
def test_auto_is_the_fastest_there_is(
    there: tuple[str, ...], picked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = dict.fromkeys(("auto", *there), "")
    monkeypatch.setattr(devices, "available_devices", lambda: found)
    assert devices.pick_device("auto") == torch.device(picked)
    if "cuda:0" in there:
        assert devices.pick_device("cuda") == torch.device("cuda:0")
    else:
        with pytest.raises(DeviceError, match="no device 'cuda'"):
            devices.pick_device("cuda")


@pytest.mark.parametrize("precision", devices.PRECISIONS)
def test_a_budget_counts_the_bytes_of_its_numbers(precision: str) -> None:
    assert devices.budget(precision, 1).itemsize == devices.pick_dtype(precision).itemsize


def test_only_a_budget_of_main_memory_holds_the_result() -> None:
    assert devices.budget("f32", 5).holds_result
    assert devices.budget("f32", 5, torch.device("cpu")).holds_result
    assert not devices.budget("f32", 5, torch.device("cuda:0")).holds_result
    assert devices.budget("f32", 5).limit == 5


def test_a_run_leaves_some_of_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    free = SimpleNamespace(available=1000)
    monkeypatch.setattr(devices.psutil, "virtual_memory", lambda: free)
    assert devices.budget().limit == int(devices.MEMORY_SHARE * 1000) < 1000


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(DeviceError, match="f32, bf16"):
        devices.pick_dtype("f16")
