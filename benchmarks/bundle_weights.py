"""Put a trained model into the package: copy it into src/inkdigits/weights/<name>/.

    python benchmarks/bundle_weights.py runs/small small

The copy is the whole bundle but its evaluation: the ONNX file, the Keras network, the history and the card. The Keras
network is compressed, as the package should stay small; what it holds is the same. The ONNX file is built anew, with
the geometry of the code there is. So this brings a bundled model up to date that was trained before that changed, and
dates it anew:

    python benchmarks/bundle_weights.py src/inkdigits/weights/default default
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from inkdigits.bundle import CARD_FILE, KERAS_FILE, ONNX_FILE, Bundle, onnx_file
from inkdigits.files import write_atomically
from inkdigits.recognizer import WEIGHTS, load


def bundle_weights(folder: Path, name: str, weights: Path = WEIGHTS) -> Path:
    """Copy a bundle to `weights / name`, under that name; return the folder."""
    load(folder)  # a damaged bundle stops here
    bundle = Bundle.load(folder)
    files = {file: bundle.read(file) for file in bundle.card.files}
    card = dataclasses.replace(bundle.card, name=name)
    if onnx_file(folder / KERAS_FILE, bundle.card) != files[ONNX_FILE]:
        card = dataclasses.replace(card, created=datetime.now(UTC).isoformat(timespec="seconds"))
    files[ONNX_FILE] = onnx_file(folder / KERAS_FILE, card)
    files[KERAS_FILE] = compressed(files[KERAS_FILE])
    hashes = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    target = weights / name
    for file, content in files.items():
        write_atomically(target / file, content)
    write_atomically(target / CARD_FILE, card.with_files(hashes).to_json())
    load(target)
    return target


def compressed(content: bytes) -> bytes:
    """A ZIP archive, such as a Keras file, with its members compressed; the same bytes for the same members."""
    smaller = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(smaller, "w") as made:
        for member in given.infolist():
            made.writestr(zipfile.ZipInfo(member.filename), given.read(member), zipfile.ZIP_DEFLATED, 9)
    return smaller.getvalue()


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
