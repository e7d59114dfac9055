"""`attn-unet train`: a dataset in, a checkpoint out."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_attn_unet.cli.options import WithDefaults
from napari_attn_unet.training.config import TrainingConfig

if TYPE_CHECKING:
    from napari_attn_unet.training.trainer import TrainingProgress

_HELP = {
    "epochs": "passes over the training cases",
    "batch_size": "patches per step",
    "patch": "patch size in voxels (Z Y X)",
    "base": "channels of the finest level; they double at each level",
    "levels": "resolution levels",
    "learning_rate": "peak learning rate",
    "holdout": "share of the cases that is only scored, never trained on",
    "seed": "decides the split and every random draw",
    "ema": "decay of the moving average of the weights, per step",
    "validate_every": "epochs between two validations",
    "precision": "f32, or bf16 where the processor has it (about twice as fast)",
}


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "train",
        help="train a network on your own labelled volumes",
        description=(
            "Train on a folder in the layout of the Medical Segmentation Decathlon (dataset.json, "
            "imagesTr, labelsTr). Stop with Ctrl-C; the same command goes on where it was. "
            "The checkpoint's card says what it scored on the cases held out."
        ),
        formatter_class=WithDefaults,
    )
    command.add_argument("dataset", type=Path, help="folder with dataset.json")
    command.add_argument(
        "--out", type=Path, required=True, help="checkpoint to write (.safetensors)"
    )
    for item in fields(TrainingConfig):
        default: Any = item.default
        several = isinstance(default, tuple)
        command.add_argument(
            f"--{item.name.replace('_', '-')}",
            type=type(default[0]) if several else type(default),
            nargs=3 if several else None,
            default=default,
            help=_HELP[item.name],
        )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, showing a bar per epoch and the Dice of each validation."""
    from tqdm import tqdm  # noqa: PLC0415  (what starts fast imports nothing slow)

    from napari_attn_unet.io import open_dataset  # noqa: PLC0415
    from napari_attn_unet.prediction import finish  # noqa: PLC0415
    from napari_attn_unet.training.trainer import train  # noqa: PLC0415

    values = {item.name: getattr(options, item.name) for item in fields(TrainingConfig)}
    config = TrainingConfig(**values | {"patch": tuple(options.patch)})
    dataset = open_dataset(options.dataset)
    with tqdm(unit="step", dynamic_ncols=True) as bar:

        def show(progress: TrainingProgress) -> None:
            if (progress.phase, progress.total) != (bar.desc.split(" ")[0], bar.total):
                bar.reset(progress.total)
            loss = "" if progress.loss is None else f" · loss {progress.loss:.3f}"
            bar.set_description_str(
                f"{progress.phase} {progress.epoch}/{progress.epochs}{loss}", refresh=False
            )
            bar.n = progress.done
            bar.refresh()
            if progress.scores is not None:
                told = ", ".join(f"{name} {dice:.4f}" for name, dice in progress.scores.items())
                bar.write(f"epoch {progress.epoch}: held-out Dice {told}")

        checkpoint = finish(train(dataset, config, options.out), show)
    print(f"Wrote {options.out}")
    for name, value in checkpoint.card.scores.items():
        print(f"  {name}: {value:.4f}")
    return 0
