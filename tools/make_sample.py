"""Cut the bundled MRI sample from the ICBM 152 T1 template that nilearn's wheel carries.

Usage: python tools/make_sample.py mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import nibabel
import numpy as np

LOW_MM, HIGH_MM = (-49, -52, -40), (49, 8, 8)  # x, y, z: both hippocampi and their surroundings
OUT = Path(__file__).parents[1] / "napari_attn_unet/samples/hippocampus_mni152.nii.gz"


def main(template: str) -> None:
    """Crop, keeping the affine, and write without a time stamp, so that bytes repeat."""
    image = nibabel.load(template)
    inverse = np.linalg.inv(image.affine)
    low, high = (
        np.round(nibabel.affines.apply_affine(inverse, p)).astype(int) for p in (LOW_MM, HIGH_MM)
    )
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    crop = image.slicer[box]
    crop = nibabel.Nifti1Image(np.asanyarray(crop.dataobj), crop.affine)
    crop.header.set_xyzt_units("mm")
    crop.set_sform(crop.affine, "mni")
    crop.set_qform(crop.affine, "mni")
    OUT.write_bytes(gzip.compress(crop.to_bytes(), mtime=0))


if __name__ == "__main__":
    main(sys.argv[1])
