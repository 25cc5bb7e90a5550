"""Finding all digits of a page: networks that say where they are and which, trained on synthetic pages alone.

`network` finds, and `refinement` takes a closer look at what was found; `layers` are both in Keras. `targets` is what
the first should answer, `training` and `refining` how both learn. `graph` writes them as one ONNX file that takes
pictures of any size, `calibration` makes its scores honest, and `finder` runs that file, with neither Keras nor ONNX at
hand.
"""

STEPS = 8000
"""Batches of 16 pages that the first network learns from, unless told otherwise."""
PAGES = 30000
"""Pages that the second one learns from."""
