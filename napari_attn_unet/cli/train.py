"""`attn-unet train`: a dataset in, a checkpoint out."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_attn_unet.cli.options import WithDefaults, add_overwrite
from napari_attn_unet.errors import ConfigError
from napari_attn_unet.table import score
from napari_attn_unet.training.config import PRECISIONS, TrainingConfig
from napari_attn_unet.training.sides import AXES

if TYPE_CHECKING:
    from napari_attn_unet.training.trainer import TrainingProgress

_HELP = {
    "epochs": ("N", "passes over the training cases"),
    "batch_size": ("N", "patches per step"),
    "patch": (("Z", "Y", "X"), "patch size in voxels, no larger than the largest case"),
    "base": ("N", "channels of the finest level; they double at each level"),
    "levels": ("N", "resolution levels"),
    "learning_rate": ("RATE", "peak learning rate"),
    "holdout": ("SHARE", "share of the cases that is only scored, never trained on"),
    "seed": ("N", "decides the split and every random draw"),
    "ema": ("DECAY", "decay of the moving average of the weights, per step"),
    "validate_every": ("N", "epochs between two validations"),
    "precision": (None, "f32, or bf16 where the processor has it (about twice as fast)"),
    "mirror": (
        "AXIS",
        "axes along which patches are mirrored, of z, y and x; or none. Without this option: x, "
        "left to right, unless a class is named after its side",
    ),
}
_NONE = "none"


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "train",
        help="train a network on your own labelled volumes",
        description=(
            "Train on a folder in the layout of the Medical Segmentation Decathlon (dataset.json, "
            "imagesTr, labelsTr). Stop with Ctrl-C; the same command goes on after the last epoch "
            "that was over. The checkpoint's card says what it scored on the cases held out."
        ),
        formatter_class=WithDefaults,
    )
    command.add_argument("dataset", type=Path, help="folder with dataset.json")
    command.add_argument(
        "--out", type=Path, required=True, help="checkpoint to write (.safetensors)"
    )
    add_overwrite(command)
    for item in fields(TrainingConfig):
        metavar, told = _HELP[item.name]
        options: dict[str, Any] = {"metavar": metavar, "default": item.default, "help": told}
        if item.name == "mirror":
            options |= {"nargs": "+", "choices": (*AXES, _NONE), "default": argparse.SUPPRESS}
        elif item.name == "precision":
            options |= {"choices": PRECISIONS}
        elif isinstance(item.default, tuple):
            options |= {"type": type(item.default[0]), "nargs": len(item.default)}
        else:
            options |= {"type": type(item.default)}
        command.add_argument(f"--{item.name.replace('_', '-')}", **options)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train beside a progress bar, telling the Dice of each validation."""
    from napari_attn_unet.io import open_dataset  # noqa: PLC0415  (starts slow, as all below)
    from napari_attn_unet.prediction import finish  # noqa: PLC0415
    from napari_attn_unet.training.resume import resume_path  # noqa: PLC0415
    from napari_attn_unet.training.trainer import train  # noqa: PLC0415

    config = _config(options)
    steps = train(open_dataset(options.dataset), config, options.out, overwrite=options.overwrite)
    try:
        with closing(_Bars()) as bars:
            checkpoint = finish(steps, bars.show)
    except KeyboardInterrupt:
        kept = resume_path(options.out)
        told = (
            f"All whole epochs are kept in {kept}: the same command goes on after them."
            if kept.exists()
            else "No epoch was over yet: nothing is kept."
        )
        print(f"\n{told}", file=sys.stderr)
        raise
    print(f"Wrote {options.out}")
    for name, value in checkpoint.card.scores.items():
        print(f"  {name}: {score(value)}")
    return 0


def _config(options: argparse.Namespace) -> TrainingConfig:
    values = {
        item.name: getattr(options, item.name)
        for item in fields(TrainingConfig)
        if hasattr(options, item.name)
    }
    if "mirror" in values:
        asked = values["mirror"]
        if _NONE in asked and len(asked) > 1:
            msg = f"--mirror takes axes or {_NONE}, but got {' '.join(asked)}."
            raise ConfigError(msg)
        values["mirror"] = tuple(axis for axis in AXES if axis in asked)
    return TrainingConfig(**values | {"patch": tuple(options.patch)})


class _Bars:
    """A bar for the cases read, then one for the steps of all epochs.

    The second one runs on through validations, so that the time it says is left is that of all
    that is left.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._phase = ""

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()

    def show(self, progress: TrainingProgress) -> None:
        """Show where a run stands."""
        from tqdm import tqdm  # noqa: PLC0415  (what starts fast imports nothing slow)

        if progress.note is not None:
            tqdm.write(progress.note, file=sys.stderr)
            return
        between = progress.phase == "validating" and self._phase == "training"
        steps = progress.phase == "training"
        before = (progress.epoch - 1) * progress.total if steps else 0
        if not between and progress.phase != self._phase:
            self.close()
            self._phase = progress.phase
            self._bar = tqdm(
                desc=_told(progress),
                total=progress.total * (progress.epochs if steps else 1),
                initial=before + progress.done,
                smoothing=0,  # of all that was done: validations come in bursts
                bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}",
                dynamic_ncols=True,
            )
        self._bar.set_description_str(_told(progress), refresh=False)
        self._bar.update(0 if between else before + progress.done - self._bar.n)
        if progress.scores is not None:
            told = ", ".join(f"{name} {score(dice)}" for name, dice in progress.scores.items())
            tqdm.write(f"epoch {progress.epoch}: held-out Dice {told or 'is not defined'}")


def _told(progress: TrainingProgress) -> str:
    """Return what stands before the bar."""
    where = "" if progress.phase == "loading" else f" epoch {progress.epoch}/{progress.epochs}"
    if progress.phase != "training":
        return f"{progress.phase}{where} case {progress.done}/{progress.total}"
    loss = "" if progress.loss is None else f" loss {progress.loss:.3f}"
    return f"{progress.phase}{where} step {progress.done}/{progress.total}{loss}"
