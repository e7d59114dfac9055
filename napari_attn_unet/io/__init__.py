"""Volumes, masks and maps from and to files: one file a format, behind `read` and `write`."""

from napari_attn_unet.io.datasets import open_dataset
from napari_attn_unet.io.labels import looks_like_labels, read_labels
from napari_attn_unet.io.names import case_names
from napari_attn_unet.io.results import RESULT, StoredMap, read_about, read_map, write_prediction
from napari_attn_unet.io.volumes import SUFFIXES, is_volume_file, read, stem, write

__all__ = [
    "RESULT",
    "SUFFIXES",
    "StoredMap",
    "case_names",
    "is_volume_file",
    "looks_like_labels",
    "open_dataset",
    "read",
    "read_about",
    "read_labels",
    "read_map",
    "stem",
    "write",
    "write_prediction",
]
