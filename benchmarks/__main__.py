"""Every table of docs/benchmarks.md: `python -m benchmarks [--quick] [--out FILE]`."""

from __future__ import annotations

import argparse
import math
import time
from functools import partial
from pathlib import Path
from statistics import median

import torch

from benchmarks import contestants as c
from benchmarks.measure import Task, in_own_process, interleaved, machine, table
from benchmarks.metrics import live
from benchmarks.scrolling import scrolling
from napari_attn_unet.engine.plan import Plan
from napari_attn_unet.engine.streaming import evaluate

LARGE = (192, 192, 160)
Rows = list[list[str]]


def whole_pass(*, quick: bool) -> str:
    """Time the plans against whole passes, and against the convolution's own peak."""
    net = c.network()
    f32, bf16 = c.folded(net), c.folded(net, "bf16")
    work = c.flop_per_voxel(net)
    parts = []
    for edge in (96,) if quick else (96, 128):
        x = c.image((edge, edge, edge))
        tasks: dict[str, Task] = {
            "plain eager": partial(c.plain, net, x),
            "tuned eager (channels last, folded)": partial(c.tuned, f32, x),
            "whole": partial(c.ours, f32, x, Plan()),
            "level 1 in slabs": partial(c.ours, f32, x, Plan(0, 1, 16)),
            "levels 1-2 in slabs": partial(c.ours, f32, x, Plan(0, 2, 16)),
            "tuned eager, bf16": partial(c.tuned, bf16, x, torch.bfloat16),
            "whole, bf16": partial(c.ours, bf16, x, Plan()),
        }
        if not quick:
            for precision in ("f32", "bf16"):
                compiled = c.openvino(net, (edge, edge, edge), precision)
                tasks[f"OpenVINO {precision}"] = partial(compiled, x.numpy())
        peaks = {p: c.peak_gflops(d) for p, d in (("f32", torch.float32), ("bf16", torch.bfloat16))}
        seconds = interleaved(tasks, 3 if quick else 5)
        for p, d in (("f32", torch.float32), ("bf16", torch.bfloat16)):
            peaks[p] = max(peaks[p], c.peak_gflops(d))
        rows: Rows = []
        for name, taken in seconds.items():
            precision = "bf16" if "bf16" in name else "f32"
            rate = work * edge**3 / taken / 1e9
            rows.append(
                [
                    name,
                    f"{taken:.2f} s",
                    f"{taken / seconds['plain eager']:.2f}",
                    f"{taken / seconds['tuned eager (channels last, folded)']:.2f}",
                    f"{rate / peaks[precision]:.0%}",
                ]
            )
        header = ["at " + "³".join((str(edge), "")), "time", "of plain", "of tuned f32"]
        peak = ", ".join(f"{p} {rate:.0f} GFLOP/s" for p, rate in peaks.items())
        parts.append(
            table([*header, "of the convolution peak"], rows)
            + f"\n\nPeak of a 3×3×3 convolution in the same run: {peak}."
        )
    return "\n\n".join(parts)


def windows(*, quick: bool) -> str:
    """Time MONAI's sliding window, with the same weights, beside the exact result."""
    size = (96, 96, 96) if quick else LARGE
    net = c.network()
    logits, folded = c.Logits(net), c.folded(net)
    tuned = c.Logits(folded)
    x = c.image(size)
    rois = (64,) if quick else (64, 96)
    tasks: dict[str, Task] = {"exact, level 1 in slabs": partial(c.ours, folded, x, Plan(0, 1, 16))}
    for overlap in (0.25, 0.5):
        for roi in rois:
            name = f"window {roi}, overlap {overlap}"
            run = partial(c.sliding, tuned, x, roi, overlap, is_tuned=True)
            tasks[f"{name}, tuned alike"] = run
            tasks[f"{name}, plain eager"] = partial(
                c.sliding, logits, x, roi, overlap, is_tuned=False
            )
    tasks["MONAI AttentionUnet, window 96, overlap 0.5"] = partial(
        c.sliding, c.monai_attention_unet(), x, 96, 0.5, is_tuned=False
    )
    seconds = interleaved(tasks, 1, warm_up=False)
    ours = seconds["exact, level 1 in slabs"]
    rows = [[name, f"{s:.1f} s", f"{ours / s:.2f}"] for name, s in seconds.items()]
    return table(["at " + " × ".join(map(str, size)), "time", "exact takes of it"], rows)


def memory(*, quick: bool) -> str:
    """Measure peaks: against the whole pass, against the estimate, and over sizes."""
    edge = 96 if quick else 256
    cube = (edge,) * 3
    plain = in_own_process("plain", *cube, "f32")
    rows = [["plain eager whole pass", f"{plain['bytes'] / 1e9:.2f} GB", "1", ""]]
    for precision in ("f32", "bf16"):
        mine = in_own_process("ours", *cube, precision)
        rows.append(
            [
                f"levels 1-2 in slabs of 8, {precision}",
                f"{mine['bytes'] / 1e9:.2f} GB",
                f"{mine['bytes'] / plain['bytes']:.2f}",
                f"{mine['bytes'] / mine['estimate']:.2f}",
            ]
        )
    against = table([f"at {edge}³", "peak", "of the whole pass", "of the estimate"], rows)
    sizes = [(64,) * 3, (96,) * 3, (128,) * 3]
    if not quick:
        sizes += [LARGE, (256,) * 3, (512, 512, 128)]
    measured = [in_own_process("ours", *size, "f32") for size in sizes]
    bytes_each = [m["bytes"] / math.prod(s) for m, s in zip(measured, sizes, strict=True)]
    micros = [1e6 * m["seconds"] / math.prod(s) for m, s in zip(measured, sizes, strict=True)]
    rows = [
        [
            " × ".join(map(str, size)),
            f"{b:.0f}",
            f"{b / median(bytes_each):.2f}",
            f"{t:.2f} µs",
            f"{t / median(micros):.2f}",
        ]
        for size, b, t in zip(sizes, bytes_each, micros, strict=True)
    ]
    header = ["size", "bytes per voxel", "of the median", "time per voxel", "of the median"]
    return f"{against}\n\nLevels 1-2 in slabs of 8 planes, f32:\n\n{table(header, rows)}"


def first_slice(*, quick: bool) -> str:
    """Measure when the slice on screen is there: the middle of the volume, whole and in slabs."""
    edge = 96 if quick else 128
    x = c.image((edge,) * 3)
    folded = c.folded(c.network())
    rows: Rows = []
    for plan in (Plan(0, 0, 16), Plan(0, 1, 16), Plan(0, 2, 16)):
        shares, gates = [], []
        for _ in range(3):
            start, first, gate = time.perf_counter(), 0.0, 0.0
            for event in evaluate(folded, x[0].numpy(), plan, look_at=edge // 2):
                if event.gate is not None and not gate:
                    gate = time.perf_counter() - start
                if event.logits is not None and not first:
                    first = time.perf_counter() - start
            whole = time.perf_counter() - start
            shares.append(first / whole)
            gates.append(gate / whole)
        rows.append([plan.description, f"{median(gates):.0%}", f"{median(shares):.0%}"])
    return table([f"at {edge}³", "first gate map after", "slice on screen after"], rows)


TABLES = {
    "Whole passes": whole_pass,
    "Overlapping windows": windows,
    "Memory": memory,
    "The slice on screen": first_slice,
    "Comparing": live,
    "Scrolling": scrolling,
}
INTRODUCTION = """# Benchmarks

`make benchmark` measures these tables and writes this file; `make benchmark-quick` prints a small
version. Within a table all contestants are run in turn, and the median is taken. Ratios are what to
look at: times are this machine's. The network is the bundled one at 32 channels, with weights and
statistics spread as those of a trained one.

{machine}. Measured {date}.
"""


def main() -> None:
    """Measure and print; write the file if one is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small volumes, in three minutes")
    parser.add_argument("--out", type=Path, help="write the tables to this Markdown file")
    parser.add_argument("--only", choices=sorted(TABLES), help="one table")
    options = parser.parse_args()
    text = INTRODUCTION.format(machine=machine(), date=time.strftime("%Y-%m-%d"))
    for title, measure in TABLES.items():
        if options.only in (None, title):
            text += f"\n## {title}\n\n{measure(quick=options.quick)}\n"
    print(text)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
