from __future__ import annotations

import dataclasses
import json

import pytest

from inkdigits.reading import Digit, single_digit


def test_one_digit_is_a_reading_of_one_line_and_one_number() -> None:
    digit = Digit(7, 0.98, (3.0, 4.0, 10.0, 20.0), False)
    reading = single_digit(digit, (64, 48))
    assert reading.text == "7"
    assert reading.reason is None
    assert (reading.width, reading.height) == (64, 48)
    (line,) = reading.lines
    (number,) = line.numbers
    assert (number.text, number.confidence, number.box, number.digits) == ("7", 0.98, digit.box, (digit,))


def test_no_digit_is_a_reading_without_text_that_says_why() -> None:
    reading = single_digit(None, (64, 48), "blank: no ink found")
    assert (reading.text, reading.lines, reading.reason) == ("", (), "blank: no ink found")


def test_to_dict_is_json_with_the_documented_names() -> None:
    digit = Digit(7, 0.5, (3.0, 4.0, 10.0, 20.0), True)
    document = json.loads(json.dumps(single_digit(digit, (64, 48), "unsure between 7 and 1").to_dict()))
    inner = {"digit": 7, "confidence": 0.5, "box": [3.0, 4.0, 10.0, 20.0], "rejected": True}
    number = {"text": "7", "confidence": 0.5, "box": [3.0, 4.0, 10.0, 20.0], "digits": [inner]}
    assert document == {
        "text": "7",
        "lines": [{"numbers": [number]}],
        "width": 64,
        "height": 48,
        "reason": "unsure between 7 and 1",
    }


def test_a_reading_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        single_digit(None, (1, 1)).text = "7"  # type: ignore[misc]
