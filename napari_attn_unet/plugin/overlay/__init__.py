"""What is drawn on and beside the canvas: outlines, legend, sides, strip."""
