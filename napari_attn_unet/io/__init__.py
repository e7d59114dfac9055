"""Volumes, masks and maps from and to files: one file a format, behind `read` and `write`."""

from napari_attn_unet.io.datasets import open_dataset
from napari_attn_unet.io.labels import (
    looks_like_labels,
    read_label_volumes,
    read_labels,
    whole_numbers,
)
from napari_attn_unet.io.names import case_names
from napari_attn_unet.io.nifti import TIME_STEP
from napari_attn_unet.io.results import (
    ABOUT,
    FILES,
    RESULT,
    StoredMap,
    is_map_name,
    read_about,
    read_map,
    write_prediction,
)
from napari_attn_unet.io.volumes import (
    SUFFIXES,
    check,
    is_volume_file,
    read,
    says_labels,
    stem,
    write,
)

__all__ = [
    "ABOUT",
    "FILES",
    "RESULT",
    "SUFFIXES",
    "TIME_STEP",
    "StoredMap",
    "case_names",
    "check",
    "is_map_name",
    "is_volume_file",
    "looks_like_labels",
    "open_dataset",
    "read",
    "read_about",
    "read_label_volumes",
    "read_labels",
    "read_map",
    "says_labels",
    "stem",
    "whole_numbers",
    "write",
    "write_prediction",
]
