"""The golden vectors: pictures, and what `preprocess.normalize` made of them when VERSION 4 was fixed.

Run this file to renew `golden.npz`, and raise `preprocess.VERSION` when that changes it.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pictures import picture

FILE = Path(__file__).with_name("golden.npz")


def pictures() -> dict[str, NDArray[np.uint8]]:
    """Name -> picture: every kind of input the geometry must cope with."""
    transparent = np.dstack([np.zeros((*(160, 200), 3), np.uint8), 255 - picture(6)])
    white_on_clear = np.dstack([np.full((160, 200, 3), 255, np.uint8), 255 - picture(2)])
    speckled = picture(3, noise=6, seed=3)
    speckled[10:13, 10:13] = speckled[150:152, 190:193] = 30
    neighbors = picture(5)
    neighbors[:, :25] = np.minimum(neighbors[:, :25], 255 - picture(8, paper=0, pen=255)[:, 90:115])
    cut = picture(5)[:128].copy()  # the digit goes on below the picture; the stroke comes in from the left
    cut[70:78, :55] = 30
    ring = picture(0)
    ink = ring < 128
    filling = 255 - ring[ink.any(1)][:, ink.any(0)]
    boxed = cv2.rectangle(picture(7), (30, 15), (170, 145), 60, 3)
    note = cv2.copyMakeBorder(picture(3), 50, 40, 60, 70, cv2.BORDER_CONSTANT, value=40)
    nested = cv2.copyMakeBorder(boxed, 30, 30, 30, 30, cv2.BORDER_CONSTANT, value=50)
    sloping = np.tile(np.linspace(90, 230, 120), (90, 1)).astype(np.uint8)
    shadow = np.full((120, 160), 220, np.uint8)
    shadow[:, :40] = 140
    return {
        **{f"plain {digit}": picture(digit) for digit in range(10)},
        "light on dark": picture(4, paper=20, pen=230),
        "red on white": picture(5, paper=(250, 248, 240), pen=(220, 40, 40)),
        "blue on yellow": picture(7, paper=(240, 230, 60), pen=(40, 60, 220)),
        "transparent": transparent,
        "white on transparent": white_on_clear,
        "faint pencil": picture(9, paper=210, pen=180, noise=2, seed=1),
        "uneven light": picture(2, light=0.7, noise=2, seed=2),
        "in a corner": picture(8, size=(300, 400), height=40, place=(0.05, 0.95)),
        "huge": picture(0, size=(1700, 1200), height=800),
        "tiny": picture(1, size=(18, 16), height=12, stroke=0.15),
        "thin": picture(3, stroke=0.03),
        "bold": picture(6, stroke=0.25),
        "speckled": speckled,
        "with a neighbor": neighbors,
        "cut at the bottom, a stroke from the left": cut,
        "light on dark, fills its frame": filling,
        "loud noise": picture(3, size=(60, 60), height=44, stroke=0.16, noise=30, seed=4),
        "in a box": boxed,
        "a note on a dark table": note,
        "in a box on a dark table": nested,
        "an empty box": cv2.rectangle(np.full((160, 200), 235, np.uint8), (60, 30), (140, 130), 60, 5),
        "a box with a bar": cv2.line(boxed.copy(), (30, 80), (170, 80), 60, 3),
        "light from one side": sloping,
        "a shadow along one side": shadow,
        "blank": np.full((50, 70), 240, np.uint8),
        "noise only": np.random.default_rng(5).normal(128, 3, (60, 60)).astype(np.uint8),
    }


def main() -> None:
    """Write the file."""
    from inkdigits.preprocess import normalize

    made = {name: normalize(pixels) for name, pixels in pictures().items()}
    content = {f"seen/{name}": np.rint(one.seen * 255).astype(np.uint8) for name, one in made.items()}
    content |= {f"box/{name}": one.box for name, one in made.items()}
    np.savez_compressed(FILE, **content)


if __name__ == "__main__":
    main()
