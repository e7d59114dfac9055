"""`python -m napari_attn_unet.cli` is `attn-unet`."""

import sys

from napari_attn_unet.cli.main import main

sys.exit(main())
