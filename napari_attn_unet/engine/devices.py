"""Where to compute, and with which numbers. torch is imported when a device is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from napari_attn_unet.engine.memory import in_words
from napari_attn_unet.engine.planning import Budget
from napari_attn_unet.errors import DeviceError
from napari_attn_unet.table import counted

if TYPE_CHECKING:
    import torch

MEMORY_SHARE = 0.6
"""Share of the free memory that a run may take unless a limit is given."""
PRECISIONS = {"f32": 4, "bf16": 2}
"""Bytes per number of a feature map."""


def available_devices() -> dict[str, str]:
    """Return {device: description} of what this machine can compute on, "auto" first."""
    import torch  # noqa: PLC0415  (1 s to import)

    devices = {"auto": "the fastest there is", "cpu": counted(torch.get_num_threads(), "thread")}
    for i in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(i)
        devices[f"cuda:{i}"] = f"{properties.name}, {in_words(properties.total_memory)}"
    if torch.backends.mps.is_available():
        devices["mps"] = "Apple GPU"
    return devices


def pick_device(name: str) -> torch.device:
    """Return the device of a name; "auto" is cuda, else mps, else cpu.

    Raises
    ------
    DeviceError
        If this machine has no such device.
    """
    import torch  # noqa: PLC0415  (1 s to import)

    devices = available_devices()
    if name == "auto":
        name = next((d for d in devices if d.startswith(("cuda", "mps"))), "cpu")
    if name == "cuda" and "cuda:0" in devices:
        name = "cuda:0"
    if name not in devices:
        real = [f"{device} ({told})" for device, told in devices.items() if device != "auto"]
        msg = (
            f"There is no device {name!r} here. This machine has {', '.join(real)}; "
            "auto takes the fastest."
        )
        raise DeviceError(msg)
    return torch.device(name)


def pick_dtype(precision: str) -> torch.dtype:
    """Return the type of numbers of a precision.

    Raises
    ------
    DeviceError
        If there is no such precision.
    """
    import torch  # noqa: PLC0415  (1 s to import)

    if precision not in PRECISIONS:
        msg = f"precision must be one of {', '.join(PRECISIONS)}, but got {precision!r}."
        raise DeviceError(msg)
    return {"f32": torch.float32, "bf16": torch.bfloat16}[precision]


def free_memory(device: torch.device | None = None) -> int:
    """Return the bytes that are free on a device; without one, in main memory (without torch)."""
    if device is not None and device.type == "cuda":
        import torch  # noqa: PLC0415  (1 s to import)

        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def default_limit(device: torch.device | None = None) -> int:
    """Return the bytes that a run may take on a device unless a limit is given."""
    return int(MEMORY_SHARE * free_memory(device))


def budget(
    precision: str = "f32", limit: int | None = None, device: torch.device | None = None
) -> Budget:
    """Return what a run may take; without a device, of main memory (without torch)."""
    on_host = device is None or device.type == "cpu"
    return Budget(default_limit(device) if limit is None else limit, PRECISIONS[precision], on_host)
