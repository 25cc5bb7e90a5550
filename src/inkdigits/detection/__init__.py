"""Finding all digits of a page: networks that say where they are and which, trained on synthetic pages alone.

`network` finds, `refinement` takes a closer look at what was found, and `lines` looks at a whole line; `layers` are all
three in Keras. `targets` is what the first should answer; `training`, `refining` and `lining` are how they learn.
`graph` writes them as one ONNX file that takes pictures of any size, with `onnx_layers` for the networks, `seeing` for
which way a picture is seen, `leveling` for one that is turned, `looking` for what is found at all its sizes, `merging`
for what is made of the finds, `hearing` for what the third sees of them, `transcript` for what it reads alone and
`dates` for the slashes of dates; `calibration` makes its scores honest, and `finder` runs that file, with neither Keras
nor ONNX at hand.
"""

STEPS = 8000
"""Batches of 16 pages that the first network learns from, unless told otherwise."""
PAGES = 30000
"""Pages that the second one learns from."""
LINES = 20_000
"""Batches of 32 fields that the third one learns to read digits from."""
