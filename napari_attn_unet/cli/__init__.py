"""`attn-unet`: the program without a window. One module per command."""
