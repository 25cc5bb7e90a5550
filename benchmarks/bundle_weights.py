"""Put a trained model into the package: copy it into src/inkdigits/weights/<name>/.

    python benchmarks/bundle_weights.py runs/small small

The copy is the whole bundle but its evaluation: the ONNX file, the Keras network, the history and the card.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from inkdigits.bundle import CARD_FILE, Bundle
from inkdigits.files import write_atomically
from inkdigits.recognizer import WEIGHTS, load


def bundle_weights(folder: Path, name: str, weights: Path = WEIGHTS) -> Path:
    """Copy a bundle to `weights / name`, under that name; return the folder."""
    load(folder)  # a damaged bundle stops here
    bundle = Bundle.load(folder)
    card = dataclasses.replace(bundle.card, name=name)
    target = weights / name
    for file in card.files:
        write_atomically(target / file, bundle.read(file))
    write_atomically(target / CARD_FILE, card.to_json())
    load(target)
    return target


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="a folder that `inkdigits train` wrote")
    parser.add_argument("name", help="the name for `inkdigits.load`, for example: default")
    given = parser.parse_args()
    target = bundle_weights(given.bundle, given.name)
    size = sum(file.stat().st_size for file in target.iterdir())
    print(f"{target}: {size:,} bytes")


if __name__ == "__main__":
    main()
