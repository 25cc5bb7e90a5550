"""The shapes of what the service answers, and the words and examples of its OpenAPI description."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from inkdigits.calibration import BLANK_REASON, NO_DIGIT_REASON
from inkdigits.recognizer import SEVERAL_REASON

DigitValue = Annotated[int, Field(ge=0, le=9)]
Level = Annotated[int, Field(ge=0, le=255)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Box = Annotated[list[float], Field(min_length=4, max_length=4, description="x, y, width, height in pixels.")]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Prediction(_Answer):
    """One digit."""

    digit: DigitValue = Field(description="The most likely digit, even where the picture shows none.", examples=[7])
    confidence: Probability = Field(
        description="The calibrated probability that the picture shows a digit and that it is `digit`.",
        examples=[0.9987],
    )
    probabilities: list[Probability] = Field(
        min_length=10, max_length=10, description="Of the digits 0 to 9, if it is one; they sum to 1."
    )
    rejected: bool = Field(description="True when the answer should not be trusted; `reason` says why.")
    reason: str | None = Field(
        description=f"Why the answer is rejected, in words: `{NO_DIGIT_REASON}`, `{BLANK_REASON}`, "
        f"`{SEVERAL_REASON}`, or what it is unsure of.",
        examples=[None, NO_DIGIT_REASON, BLANK_REASON, SEVERAL_REASON, "unsure between 4 and 9"],
    )
    candidates: list[DigitValue] = Field(description="The digits it may be, most likely first.", examples=[[7]])
    seen: list[Annotated[list[Level], Field(min_length=28, max_length=28)]] = Field(
        min_length=28,
        max_length=28,
        description="What the model saw: 28 rows of 28 levels, 0 paper to 255 ink.",
        examples=[[[0] * 28] * 28],
    )


class Digit(_Answer):
    """One digit of a picture."""

    digit: DigitValue = Field(description="The most likely digit.")
    confidence: Probability = Field(
        description="The calibrated probability that a digit is here and that it is `digit`."
    )
    box: Box
    rejected: bool = Field(description="True when the answer should not be trusted.")


class Number(_Answer):
    """Digits that stand together, from left to right."""

    text: str = Field(description="The digits as one word.")
    confidence: Probability = Field(description="The probability that all of its digits are right.")
    box: Box
    digits: list[Digit] = Field(description="From left to right.")


class Line(_Answer):
    """One written line."""

    numbers: list[Number] = Field(description="From left to right.")


class Reading(_Answer):
    """Everything read from one picture. Boxes are in pixels of the upright picture."""

    text: str = Field(
        description="Numbers joined by a space, lines by a newline; empty when nothing was found.",
        examples=["12 345\n678"],
    )
    lines: list[Line] = Field(description="From top to bottom.")
    width: int = Field(description="Of the upright picture, in pixels.")
    height: int = Field(description="Of the upright picture, in pixels.")
    reason: str | None = Field(
        description=f"Why there is no text, or why not to trust it: `{NO_DIGIT_REASON}`, `{BLANK_REASON}`, ...",
        examples=[None, NO_DIGIT_REASON, BLANK_REASON],
    )


class Health(_Answer):
    """The service is up and its model is loaded."""

    status: str = Field(description="Always `ok`: a service that is not answers nothing.", examples=["ok"])
    version: str = Field(description="Of inkdigits.")
    model: str = Field(description="The name of the model that answers.")


class Model(_Answer):
    """A model that answers here."""

    name: str
    architecture: str = Field(description="The family of networks it belongs to.")
    parameters: int = Field(description="How many numbers the network holds.")
    reject_threshold: Probability = Field(description="Pictures of one digit with less confidence are rejected.")
    sha256: str | None = Field(description="Of the ONNX file.")


class LimitsShown(_Answer):
    """What a picture may be at most."""

    max_bytes: int = Field(description="Of the file.")
    max_pixels: int = Field(description="Width times height.")


class Models(_Answer):
    """The models that answer here, and what they accept."""

    models: list[Model]
    limits: LimitsShown = Field(description="What a picture may be at most.")


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str = Field(description="A link to the explanation of this kind of problem.")
    title: str
    status: int
    detail: str = Field(description="What was expected, what came and what to do.")
    instance: str = Field(description="The path that was asked.")


TAGS = [
    {"name": "recognize", "description": "Send a picture, get a digit, or all numbers on it."},
    {"name": "service", "description": "What is running here."},
]
DESCRIPTION = """Reads handwritten digits. Everything happens on this machine: no picture is stored or sent on."""

_PICTURE = {"type": "string", "contentMediaType": "application/octet-stream"}
_IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp", "application/octet-stream")
PICTURE_BODY: dict[str, Any] = {
    "required": True,
    "description": "One image file: the file field `image` of a form, or the file's bytes as the body itself. "
    "Any `image/*` content type is taken; the format is recognized from the content.",
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "required": ["image"], "properties": {"image": _PICTURE}},
        },
        **{kind: {"schema": _PICTURE} for kind in _IMAGE_TYPES},
    },
}


def examples(path: str, picture: bool) -> list[dict[str, str]]:
    """Commands that work as they stand; `{server}` is the address of the running service."""
    if not picture:
        return [{"label": "curl", "source": f"curl {{server}}{path}"}]
    return [
        {"label": "A picture to try", "source": "curl -o seven.png {server}/page/seven.png"},
        {"label": "As a form", "source": f"curl -F image=@seven.png {{server}}{path}"},
        {
            "label": "As plain bytes",
            "source": f"curl --data-binary @seven.png -H 'Content-Type: image/png' {{server}}{path}",
        },
    ]
