"""Print the knock-out table of docs/inspect.md: `python tools/knockout_table.py DATASET`.

Every gate of the bundled hippocampus checkpoint is forced in every way, on held-out cases.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from statistics import mean, stdev

import numpy as np

from napari_attn_unet import io
from napari_attn_unet.cli.options import driven
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.gates import knockout
from napari_attn_unet.io import open_dataset

CASES = 20

_, held_out = open_dataset(sys.argv[1]).split(0.2, 0)
predictor = Predictor("hippocampus")
dice: dict[tuple[str, str], list[float]] = defaultdict(list)
before: list[float] = []
overlap: dict[tuple[str, str], list[float]] = defaultdict(list)
volume_change: dict[tuple[str, str], list[float]] = defaultdict(list)
for case in held_out[:CASES]:
    volume = io.read(case.image)[0]
    truth = np.asarray(io.read(case.label)[0].data[0]).astype(np.uint8)
    rows = driven(knockout.table(predictor.session(volume, keep="gates"), truth), case.name)
    by_change = defaultdict(list)
    for row in rows:
        by_change[row.gate, row.intervention].append(row)
    before.append(mean(r.truth_dice_before for r in by_change["gate 1", "one"]))
    for key, pair in by_change.items():  # both classes
        dice[key].append(mean(r.truth_dice_after for r in pair))
        overlap[key].append(mean(r.dice_with_before for r in pair))
        was, now = sum(r.voxels_before for r in pair), sum(r.voxels_after for r in pair)
        volume_change[key].append(100 * (now - was) / was)

print(f"Dice with the truth as it is: {mean(before):.3f} (sd {stdev(before):.3f})\n")
print("| gate | forced to | Dice with the truth | change | Dice with the mask before | volume |")
print("| --- | --- | --- | --- | --- | --- |")
for (gate, change), values in dice.items():
    key = gate, change
    print(
        f"| {gate} | {change} | {mean(values):.3f} | {mean(values) - mean(before):+.3f} "
        f"| {mean(overlap[key]):.3f} | {mean(volume_change[key]):+.0f} % |"
    )
