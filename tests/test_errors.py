"""Whoever raised an error, a person can read it."""

from __future__ import annotations

import errno
import os

import pytest
import torch

from napari_attn_unet.errors import FileError, MemoryLimitError, reason


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileError("The header\n is wrong."), "The header is wrong."),
        (OSError(errno.EISDIR, os.strerror(errno.EISDIR), "x"), "Is a directory"),
        (OSError("no strings"), "no strings"),
        (OSError(), "OSError"),
        (ValueError("two\nlines"), "ValueError: two lines"),
        (KeyError(), "KeyError"),
        (MemoryLimitError("Needs 3 GB.", 3), "Needs 3 GB."),
    ],
)
def test_a_reason_is_one_line_without_numbers_of_the_system(error: Exception, words: str) -> None:
    assert reason(error) == words


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] can't allocate memory: you tried"),
    ],
)
def test_memory_that_is_gone_is_told_with_what_to_do(error: Exception) -> None:
    assert "lower memory limit" in reason(error)
