"""Timing and peak memory, measured the same way for every contestant."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import torch

Task = Callable[[], object]


def interleaved(
    tasks: Mapping[str, Task], rounds: int, *, warm_up: bool = True
) -> dict[str, float]:
    """Return the median seconds of each task, all of them run in turn, round by round.

    What disturbs the machine for a while then disturbs all alike.
    """
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(rounds + warm_up):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            if number >= warm_up:
                taken[name].append(time.perf_counter() - start)
            print(f"  {name}: {time.perf_counter() - start:.2f} s", file=sys.stderr)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def in_own_process(what: str, *arguments: object) -> dict[str, float]:
    """Run a contestant in a fresh process; return its seconds and its peak bytes."""
    command = [sys.executable, "-m", "benchmarks.alone", what, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"  {' '.join(command[3:])}: {measured}", file=sys.stderr)
    return measured


def peak_of(task: Task) -> tuple[float, int]:
    """Return (seconds, bytes that the process grew by at the highest). Linux only."""
    before = psutil.Process().memory_info().rss
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here
    start = time.perf_counter()
    task()
    seconds = time.perf_counter() - start
    status = Path("/proc/self/status").read_text()
    highest = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return seconds, int(highest.split()[1]) * 1024 - before


def machine() -> str:
    """Return one line on the machine and the versions of what was measured."""
    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":")[1].strip()
            break
    memory = psutil.virtual_memory().total / 2**30
    versions = []
    for name in ("torch", "monai", "openvino"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name} not installed")
    return (
        f"{cpu}, {torch.get_num_threads()} threads, {memory:.0f} GiB; "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
