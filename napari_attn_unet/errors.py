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
