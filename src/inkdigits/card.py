"""The card of a trained model: what it is, how it was made and calibrated. It is in `model.json` and `model.onnx`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from inkdigits.errors import BundleError

FORMAT = "inkdigits/1"
"""The format of bundles that this version writes: a name and a number, which grows when old readers would misread."""
CARD_KEY = "inkdigits"
"""The key of the card in an ONNX file's metadata."""


@dataclass(frozen=True)
class Card:
    """What is known about a trained model.

    Attributes:
        format: `FORMAT`.
        name: what it is called.
        architecture: {"name", "options"}.
        recipe: everything the training was told.
        seed: of the training.
        data: {"name", "sha256", "train", "validation"}: what it learned from, and how many images.
        preprocessing: the version of the geometry that its pictures pass through.
        temperature: what its logits are divided by, fitted on validation images.
        reject_threshold: the confidence, in [0, 1], below which an answer is refused.
        open_set: whether it was trained to tell digits from everything else.
        conformal_threshold: the probability, in [0, 1], from which a digit is a candidate.
        coverage: how often the candidates hold the true digit, in (0, 1].
        parameters: how many numbers the network holds.
        validation: {"accuracy", "loss"} on validation images; the loss is the mean negative log likelihood of the
            calibrated probabilities, in nats.
        packages: name -> version, of what trained it.
        hardware: {"machine", "processor", "cores", "system"}.
        training: {"seconds", "cpu_seconds", "epochs"}, and "teachers", the SHA-256 of each teacher's network, if any.
        created: when, in ISO 8601, UTC.
        files: name -> SHA-256 of the bundle's other files; empty inside an ONNX file.
    """

    format: str
    name: str
    architecture: dict[str, Any]
    recipe: dict[str, Any]
    seed: int
    data: dict[str, Any]
    preprocessing: int
    temperature: float
    reject_threshold: float
    open_set: bool
    conformal_threshold: float
    coverage: float
    parameters: int
    validation: dict[str, Any]
    packages: dict[str, Any]
    hardware: dict[str, Any]
    training: dict[str, Any]
    created: str
    files: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return dataclasses.asdict(self)

    def to_json(self, *, files: bool = True) -> str:
        """As a JSON document; without `files` the hashes are left out, as inside an ONNX file."""
        document = self.to_dict() if files else {**self.to_dict(), "files": {}}
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def with_files(self, files: Mapping[str, str]) -> Card:
        """The same card with other file hashes."""
        return dataclasses.replace(self, files=dict(files))

    def same_model(self, other: Card) -> bool:
        """Whether both describe the same training; names, hashes and files may differ."""
        return dataclasses.replace(self, name="", files={}) == dataclasses.replace(other, name="", files={})

    @classmethod
    def from_json(cls, text: str | bytes, source: str) -> Card:
        """Read a card and check every field.

        Args:
            text: the JSON document.
            source: where it comes from, for messages.

        Raises:
            BundleError: it is malformed, foreign, or from a newer inkdigits.
        """
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BundleError(f"Expected {source} to be JSON. It is damaged or something else: {error}") from None
        kind = document.get("format") if isinstance(document, dict) else None
        if not isinstance(kind, str) or not kind.startswith("inkdigits/"):
            raise BundleError(
                f'Expected {source} to be the card of an inkdigits bundle, with "format": "{FORMAT}". It is foreign: '
                f"{_shown(kind) if isinstance(document, dict) else _shown(document)}."
            )
        if kind != FORMAT:
            raise BundleError(
                f"Expected {source} in the format {FORMAT}. Received: {_shown(kind)}, of another version of inkdigits. "
                "Upgrade it: pip install --upgrade inkdigits"
            )
        return cls._from_fields(document, source)

    @classmethod
    def _from_fields(cls, document: dict[str, Any], source: str) -> Card:
        names = [field.name for field in dataclasses.fields(cls)]
        missing = [name for name in names if name not in document]
        unknown = sorted(set(document) - set(names))
        if missing or unknown:
            came = [f"without {', '.join(missing)}"] * bool(missing) + [f"with {', '.join(unknown)}"] * bool(unknown)
            raise BundleError(f"Expected {source} to have the fields {', '.join(names)}. It is {' and '.join(came)}.")
        for name, (what, check) in _CHECKS.items():
            if not check(document[name]):
                raise BundleError(f"Expected {name} in {source} to be {what}. Received: {_shown(document[name])}.")
        return cls(**document)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 60 else text[:57] + "..."


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _table(value: Any) -> bool:
    return isinstance(value, dict)


def _whole(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def _positive(value: Any) -> bool:
    return _number(value) and value > 0


def _part(value: Any) -> bool:
    return _number(value) and 0 <= value <= 1


def _architecture(value: Any) -> bool:
    return _table(value) and _text(value.get("name")) and _table(value.get("options"))


def _data(value: Any) -> bool:
    counts = _table(value) and _whole(value.get("train")) and _whole(value.get("validation"))
    return counts and _text(value.get("name")) and _text(value.get("sha256"))


def _validation(value: Any) -> bool:
    return _table(value) and _part(value.get("accuracy")) and _number(value.get("loss"))


def _training(value: Any) -> bool:
    return _table(value) and all(_number(value.get(name)) for name in ("seconds", "cpu_seconds", "epochs"))


def _hashes(value: Any) -> bool:
    # A plain name only: a card must not point at files outside of its folder.
    return _table(value) and all(
        name == PurePath(name).name
        and "\\" not in name
        and name not in ("", ".", "..")
        and isinstance(digest, str)
        and len(digest) == 64
        and set(digest) <= set("0123456789abcdef")
        for name, digest in value.items()
    )


_CHECKS = {
    "name": ("a name", _text),
    "architecture": ('a table with "name" and "options"', _architecture),
    "recipe": ("a table", _table),
    "seed": ("a whole number", _whole),
    "data": ('a table with "name", "sha256", "train" and "validation"', _data),
    "preprocessing": ("a whole number from 1", lambda value: _whole(value, 1)),
    "temperature": ("a number above 0", _positive),
    "reject_threshold": ("a number from 0 to 1", _part),
    "open_set": ("true or false", lambda value: isinstance(value, bool)),
    "conformal_threshold": ("a number from 0 to 1", _part),
    "coverage": ("a number from 0 to 1", _part),
    "parameters": ("a whole number", _whole),
    "validation": ('a table with "accuracy" and "loss"', _validation),
    "packages": ("a table", _table),
    "hardware": ("a table", _table),
    "training": ('a table with the numbers "seconds", "cpu_seconds" and "epochs"', _training),
    "created": ("a time", _text),
    "files": ("a table of plain file names and SHA-256", _hashes),
}
