"""Every deliberate error of the package, under one base class.

Each message says what was needed, what came, and what to do. Whoever catches `AttnUNetError`
has a text that can be shown to a user as it is.
"""

from __future__ import annotations


class AttnUNetError(Exception):
    """Base class of every error this package raises on purpose."""


class ConfigError(AttnUNetError, ValueError):
    """A network, training or preprocessing setting is outside what is allowed."""


class ShapeError(AttnUNetError, ValueError):
    """An array has axes or sizes that the operation cannot take."""


class VolumeError(AttnUNetError, ValueError):
    """A volume's values or geometry make no sensible input (NaN, constant, singular affine)."""


class CheckpointError(AttnUNetError, ValueError):
    """A checkpoint is missing, damaged, of a foreign format, or does not match its card."""


class FileError(AttnUNetError, OSError):
    """A volume file cannot be read or written."""


class DeviceError(AttnUNetError, ValueError):
    """A compute device or precision was asked for that this machine does not offer."""


class MemoryLimitError(AttnUNetError, MemoryError):
    """Even the smallest plan needs more memory than the limit allows.

    Attributes
    ----------
    least
        Bytes that the smallest plan needs.
    """

    def __init__(self, message: str, least: int) -> None:
        super().__init__(message)
        self.least = least


class DatasetError(AttnUNetError, ValueError):
    """A training dataset is incomplete or contradicts itself."""


class DivergenceError(AttnUNetError, ArithmeticError):
    """A training run came to numbers that are none; the message says what was kept of it."""


class RunError(AttnUNetError):
    """A run failed with an error of another library; the cause is chained.

    superqt's generator worker drops `RuntimeError`, which is what torch raises. Wrapping every
    foreign error keeps each of them visible.
    """


def reason(error: BaseException) -> str:
    """Return an error in one line for a person to read, whoever raised it.

    Deliberate ones say themselves; of the system's, numbers and paths are left out, as whoever
    shows them names the file; of other libraries, the kind of error stands first.
    """
    text = " ".join(str(error).split())
    if isinstance(error, AttnUNetError):
        return text
    if isinstance(error, MemoryError) or "out of memory" in text or "allocate memory" in text:
        said = f" ({text.split('. ')[0]})" if text else ""
        return f"There was not enough memory{said}. Set a lower memory limit, or crop the image."
    if isinstance(error, OSError):
        return error.strerror or text or type(error).__name__
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
