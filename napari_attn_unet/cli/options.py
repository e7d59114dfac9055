"""What several commands share: options, reading, and a run beside a progress bar."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from napari_attn_unet.errors import AttnUNetError, ConfigError, RunError, ShapeError, reason

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_attn_unet.engine.predictor import Predictor
    from napari_attn_unet.network.card import Card
    from napari_attn_unet.report.cases import CaseResult, Report
    from napari_attn_unet.report.pairs import Pair
    from napari_attn_unet.volume import Volume

Result = TypeVar("Result")
_NAMED = 10
"""Cases that are named on the terminal; the tables have all."""
_BYTES = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}


# --- options ------------------------------------------------------------------------------------
def add_run_options(command: argparse.ArgumentParser) -> None:
    """Add what every command that runs a checkpoint takes."""
    command.add_argument(
        "--checkpoint", default="hippocampus", help="file or name (default: %(default)s)"
    )
    add_machine_options(command)


def add_machine_options(command: argparse.ArgumentParser) -> None:
    """Add on what, and within how much memory, a network runs."""
    command.add_argument("--device", default="auto", help="auto, cpu, cuda:0, mps")
    command.add_argument("--precision", default="f32", choices=("f32", "bf16"))
    command.add_argument(
        "--memory-limit",
        type=parse_bytes,
        metavar="SIZE",
        help="such as 2GB; default: 60%% of free",
    )


def add_evaluation_options(command: argparse.ArgumentParser) -> None:
    """Add what every command that evaluates takes."""
    command.add_argument(
        "--tolerance",
        type=number_in(0, math.inf),
        default=1.0,
        metavar="MM",
        help="of the surface Dice, in the unit of the masks (default: 1)",
    )
    command.add_argument(
        "--workers", type=parse_count, metavar="N", help="processes (default: one per processor)"
    )
    command.add_argument("--no-pictures", action="store_true", help="a smaller report, sooner")


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add that what is there already may be replaced."""
    parser.add_argument(
        "--overwrite", action="store_true", help="write over what an earlier run left there"
    )


class WithDefaults(argparse.ArgumentDefaultsHelpFormatter):
    """Tells the default of every option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.required:
            return action.help
        return super()._get_help_string(action)


def parse_bytes(text: str) -> int:
    """Return a size in bytes: "2GB" -> 2_000_000_000."""
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*([kmgt]?)b?", text.strip().lower())
    if not match:
        msg = f"{text!r} is no size; write it like 2GB or 500MB."
        raise argparse.ArgumentTypeError(msg)
    size = int(float(match[1]) * _BYTES[match[2]])
    if size < _BYTES["m"]:
        msg = f"{text!r} is {size:,} bytes, too little for any run; write it like 2GB or 500MB."
        raise argparse.ArgumentTypeError(msg)
    return size


def parse_count(text: str) -> int:
    """Return a whole number from 1."""
    if not text.strip().isdecimal() or int(text) < 1:
        msg = f"a whole number from 1 is needed, not {text!r}."
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def number_in(low: float, high: float, *, above: bool = False) -> Callable[[str], float]:
    """Return a reader of a number between two bounds; `above` leaves the lower one out."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high or (above and value == low):
            bounds = f"from {low:g}" if math.isinf(high) else f"between {low:g} and {high:g}"
            msg = f"a number {bounds} is needed, not {text!r}."
            raise argparse.ArgumentTypeError(msg)
        return value

    return read


# --- reading ------------------------------------------------------------------------------------
def predictor_of(options: argparse.Namespace, checkpoint: str | None = None) -> Predictor:
    """Return the predictor that the options ask for, of another checkpoint if one is given."""
    from napari_attn_unet.engine.predictor import Predictor  # noqa: PLC0415  (torch: starts slow)

    source = options.checkpoint if checkpoint is None else checkpoint
    return Predictor(source, options.device, options.precision, options.memory_limit)


def inputs_of(options: argparse.Namespace) -> list[Path]:
    """Return the files that a command which runs a checkpoint reads."""
    images = options.images if "images" in options else [options.image]
    truth = getattr(options, "truth", None)
    weights = Path(options.checkpoint)
    files = [weights] if weights.suffix else []  # a name is that of weights that ship
    return [*images, *([] if truth is None else [truth]), *files]


def advise(card: Card, volume: Volume) -> None:
    """Warn where an image is far from those a checkpoint was trained on, in size or voxels."""
    place = volume.geometry.spacing_mm
    if (note := card.larger_than_seen(volume.shape, place)) is not None:
        print(f"{volume.name}: {note}: crop it to the region first.", file=sys.stderr)
    elif (note := card.smaller_than_seen(volume.shape, place)) is not None:
        print(f"{volume.name}: {note}.", file=sys.stderr)
    if (note := card.other_voxels(place)) is not None:
        print(f"{volume.name}: {note}.", file=sys.stderr)


def read_one(
    path: Path, predictor: Predictor, time: int | None = None, *, otherwise: str = "give one volume"
) -> Volume:
    """Read one volume for a predictor; warn where its size is far from those trained on.

    Parameters
    ----------
    path, predictor
        The file, and what it is read for.
    time
        Which time point of a series, counted from 1.
    otherwise
        What to do about a series without it, in words.

    Raises
    ------
    ShapeError
        If the file holds a series, and `time` does not say which of it.
    ConfigError
        If it holds no such time point.
    """
    from napari_attn_unet import io  # noqa: PLC0415  (what starts fast imports nothing slow)

    volumes = io.read(path, predictor.checkpoint.config.in_channels)
    count = len(volumes)
    if time is None and count > 1:
        msg = f"{path.name} is a series of {count} volumes; {otherwise}."
        raise ShapeError(msg)
    if time is not None and time > count:
        allowed = f"one from 1 to {count}" if count > 1 else "1, as it is no series"
        msg = f"{path.name} has no time point {time}; --time takes {allowed}."
        raise ConfigError(msg)
    volume = volumes[(time or 1) - 1]
    advise(predictor.checkpoint.card, volume)
    return volume


def read_truth(
    path: Path | None, volume: Volume
) -> tuple[npt.NDArray[np.integer[Any]] | None, list[str]]:
    """Read labels and bring them onto the grid (Z, Y, X) of a volume; None stays None.

    Returns
    -------
    labels, notes
        What there is to say of the two grids is also told on the terminal.
    """
    from napari_attn_unet import io  # noqa: PLC0415  (what starts fast imports nothing slow)
    from napari_attn_unet.scores.grids import onto_grid  # noqa: PLC0415

    if path is None:
        return None, []
    there = onto_grid(
        *io.read_labels(path),
        volume.geometry,
        volume.shape,
        what=f"truth {path.name}",
        on=f"image {volume.name}",
    )
    if there.note:
        print(there.note, file=sys.stderr)
    return there.labels, [there.note] if there.note else []


def tell_nothing_found(name: str, mask: npt.NDArray[Any]) -> None:
    """Say on stderr where a mask is empty, and what may be the cause."""
    from napari_attn_unet.prediction import NOTHING_FOUND  # noqa: PLC0415  (starts slow)

    if not mask.any():
        print(f"{name}: {NOTHING_FOUND}.", file=sys.stderr)


_SHORT = 3
"""Letters of a name that may be a word of the sentence."""


# --- runs ---------------------------------------------------------------------------------------
@contextmanager
def going_on(name: str, failed: list[str]) -> Iterator[None]:
    """Tell in a line what goes wrong within, of whatever kind, so that the next has its turn.

    Parameters
    ----------
    name
        Of what is worked on; stands before the words, unless they have it.
    failed
        Gets the name.
    """
    try:
        yield
    except BrokenPipeError:  # nobody reads what is told
        raise
    except Exception as error:
        failed.append(name)
        words = reason(error)
        has_it = re.search(rf"(?<![\w./]){re.escape(name)}(?!\w)", words) and len(name) > _SHORT
        told = words if has_it else f"{name}: {words}"
        print(told, file=sys.stderr)


def driven(
    steps: Generator[Any, Any, Result],
    name: str,
    share: Callable[[Any], float] = attrgetter("done"),
) -> Result:
    """Drive a run to its end beside a progress bar; return what it returns.

    Parameters
    ----------
    steps
        The run.
    name
        Stands before the bar.
    share
        How much is done, 0 to 1, of what the run yields.

    Raises
    ------
    RunError
        If a library fails, in words; the cause is chained.
    """
    from tqdm import tqdm  # noqa: PLC0415  (what starts fast imports nothing slow)

    from napari_attn_unet.prediction import finish  # noqa: PLC0415

    with tqdm(
        total=100, desc=name, bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    ) as bar:
        try:
            result = finish(steps, lambda progress: bar.update(100 * share(progress) - bar.n))
        except (AttnUNetError, BrokenPipeError):
            raise
        except Exception as error:
            raise RunError(reason(error)) from error
        bar.update(100 - bar.n)
    return result


def evaluated(  # noqa: PLR0913  (each is named by its caller)
    pairs: Sequence[Pair],
    classes: Mapping[int, str],
    options: argparse.Namespace,
    *,
    title: str,
    about: dict[str, str],
    others: Sequence[CaseResult] = (),
) -> Report:
    """Evaluate pairs beside a progress bar.

    Parameters
    ----------
    pairs, classes
        From `find_pairs`.
    options
        Those of `add_evaluation_options`.
    title, about
        Of the report.
    others
        Cases that are no pair.
    """
    from tqdm import tqdm  # noqa: PLC0415  (what starts fast imports nothing slow)

    from napari_attn_unet.report.evaluation import evaluate_pairs, report_of  # noqa: PLC0415

    steps = evaluate_pairs(
        pairs,
        classes,
        options.tolerance,
        workers=options.workers,
        pictures=not options.no_pictures,
    )
    return report_of([*tqdm(steps, total=len(pairs), desc=title), *others], title, about)


def tell_failures(report: Report, prefix: str = "") -> None:
    """Print on stderr what could not be evaluated or drawn, has no mask, or lies elsewhere."""
    for case in report.failed:
        print(f"{prefix}{case.name}: {case.error}", file=sys.stderr)
    if report.missing:
        names = [case.name for case in report.missing]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        have = "truth has" if len(names) == 1 else "truths have"
        print(
            f"{prefix}{len(names)} {have} no mask: {', '.join(names[:_NAMED])}{more}.",
            file=sys.stderr,
        )
    for case in report.good:
        if case.note:
            print(f"{prefix}{case.name}: {case.note}", file=sys.stderr)
        if case.picture_error:
            print(f"{prefix}{case.name}: no picture: {case.picture_error}", file=sys.stderr)
