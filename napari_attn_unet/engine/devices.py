"""Where to compute, and with which numbers."""

from __future__ import annotations

import psutil
import torch

from napari_attn_unet.engine.planning import in_words
from napari_attn_unet.errors import DeviceError

MEMORY_SHARE = 0.6
"""Share of the free memory that a run may take unless a limit is given."""
PRECISIONS = {"f32": torch.float32, "bf16": torch.bfloat16}


def available_devices() -> dict[str, str]:
    """Return {device: description} of what this machine can compute on, "auto" first."""
    devices = {"auto": "the fastest there is", "cpu": f"{torch.get_num_threads()} threads"}
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
    devices = available_devices()
    if name == "auto":
        name = next((d for d in devices if d.startswith(("cuda", "mps"))), "cpu")
    if name == "cuda" and "cuda:0" in devices:
        name = "cuda:0"
    if name not in devices:
        msg = f"There is no device {name!r} here. This machine has {', '.join(devices)}."
        raise DeviceError(msg)
    return torch.device(name)


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def default_limit(device: torch.device) -> int:
    """Return the bytes that a run may take on a device unless a limit is given."""
    return int(MEMORY_SHARE * free_memory(device))
