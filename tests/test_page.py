"""The page as people use it: with a mouse, a finger, a keyboard, in light and dark, on a desk and on a phone."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

import handmade
from browser import Visit
from inkdigits import calibration
from inkdigits.reading import Digit, Reading, single_digit
from inkdigits.recognizer import SEVERAL_REASON
from inkdigits.web.server import PAGE
from strokes import strokes_of
from written import pen, png, written

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from inkdigits.recognizer import Recognizer

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 3,
    "is_mobile": True,
    "has_touch": True,
}
ONE = [np.array([[0.5, 0.2], [0.5, 0.5], [0.5, 0.8]])]
NUMBERS = png(written("42 75", "360"))


@pytest.fixture
def desk(browser: Browser, service: str) -> Iterator[Visit]:
    visit = Visit(browser, service, **DESKTOP)
    yield visit
    visit.close()


@pytest.fixture
def phone(browser: Browser, service: str) -> Iterator[Visit]:
    visit = Visit(browser, service, **PHONE)
    yield visit
    visit.close()


# Recognizing


def test_strokes_of_real_test_digits_are_read_right(desk: Visit, mnist: Path) -> None:
    """Two digits of each class, the first of the test set, each at its own place and size."""
    from inkdigits import load_dataset

    dataset = load_dataset("mnist", "test")
    chosen = [index for digit in range(10) for index in np.flatnonzero(dataset.labels == digit)[:2]]
    places = np.random.default_rng(0)
    wrong = []
    for index in chosen:
        size = places.uniform(0.25, 0.8)
        corner = places.uniform(0.06, 0.94 - size, 2)
        desk.draw([corner + size * stroke for stroke in strokes_of(dataset.images[index])])
        read = desk.answer["digit"]
        if read != str(dataset.labels[index]):
            wrong.append((int(index), int(dataset.labels[index]), read))
        desk.page.keyboard.press("Escape")
    # A skeleton is not quite what the writer drew, and the model may be a small one: one of twenty may fail.
    assert len(wrong) <= 1, wrong


def test_what_is_shown_is_what_the_service_said(desk: Visit) -> None:
    with desk.page.expect_response("**/v1/classify") as answers:
        desk.page.get_by_role("button", name="Show me").click()
        desk.settle()
    said = answers.value.json() if len(desk.asked) == 1 else desk.asked[-1].response().json()  # type: ignore[union-attr]
    assert desk.answer["digit"] == str(said["digit"])
    bars = desk.page.locator("#bars li")
    assert bars.count() == 10
    for digit, probability in enumerate(said["probabilities"]):
        label, value = bars.nth(digit).inner_text().split("\n")
        assert int(label) == digit
        if probability < 0.001:
            assert value == "< 0.1 %"
        else:
            assert float(value.removesuffix(" %")) == pytest.approx(np.floor(probability * 1000 + 1e-9) / 10)
    pixels = desk.page.evaluate("[...seen.getContext('2d').getImageData(0, 0, 28, 28).data]")
    assert np.array_equal(np.reshape(pixels, (28, 28, 4))[..., 3], said["seen"])


def test_the_drawing_is_sent_as_dark_ink_on_white_of_natural_thickness(desk: Visit) -> None:
    for height in (0.15, 0.5, 0.9):
        middle = 0.5 - height / 2
        desk.draw([np.array([[0.5, middle + height * step / 8] for step in range(9)])])
        assert desk.asked[-1].headers["content-type"] == "image/png"
        picture = np.asarray(Image.open(io.BytesIO(desk.sent)).convert("L"))
        assert picture[0, 0] == 255 and picture.min() < 20
        rows, columns = np.nonzero(picture < 128)
        tall, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert tall == pytest.approx(320 * height, rel=0.25)
        assert 0.07 < wide / tall < 0.2
        desk.page.keyboard.press("Escape")


def test_it_reads_while_the_pen_is_still_down(desk: Visit) -> None:
    box = desk.page.locator("#canvas").bounding_box()
    assert box
    desk.page.mouse.move(box["x"] + 100, box["y"] + 100)
    desk.page.mouse.down()
    with desk.page.expect_response("**/v1/classify"):
        desk.page.mouse.move(box["x"] + 100, box["y"] + 300, steps=8)
    expect(desk.page.locator("#digit")).to_have_text(re.compile(r"\d"))
    desk.page.mouse.up()
    desk.settle()


def test_an_old_answer_never_replaces_a_newer_one(desk: Visit) -> None:
    first = True

    def late(route: Any) -> None:
        nonlocal first
        answer = route.fetch()
        if first:
            first = False
            desk.page.wait_for_timeout(700)
        route.fulfill(response=answer)

    desk.page.route("**/v1/classify", late)
    desk.draw(ONE, wait=False)
    desk.page.keyboard.press("Escape")
    desk.page.wait_for_timeout(900)
    assert desk.state == "empty" and desk.answer["digit"] == ""
    desk.page.unroute_all(behavior="ignoreErrors")


# Nothing, undo, redo, keyboard


def test_nothing_drawn_is_said_and_nothing_is_sent(desk: Visit) -> None:
    assert desk.answer == {
        "digit": "",
        "verdict": "Nothing is drawn yet",
        "detail": "Draw a digit or a number on the sheet, or bring a picture.",
    }
    for key in ("Control+z", "Escape", "Delete"):
        desk.page.keyboard.press(key)
    desk.page.wait_for_timeout(300)
    assert desk.asked == [] and desk.state == "empty"
    for name in ("Undo", "Redo", "Clear"):
        assert desk.page.get_by_role("button", name=name).is_disabled()


def test_clear_undo_and_redo_with_buttons_and_keys(desk: Visit) -> None:
    button = {name: desk.page.get_by_role("button", name=name) for name in ("Undo", "Redo", "Clear")}
    desk.draw(ONE)
    one = desk.ink()
    desk.draw([np.array([[0.2, 0.3], [0.8, 0.3]])])
    two = desk.ink()
    assert two > one > 0
    for undo, redo in ((button["Undo"].click, button["Redo"].click), _keys(desk, "Control+z", "Control+Shift+z")):
        undo()
        assert desk.ink() == one
        redo()
        assert desk.ink() == two
    for clear in (button["Clear"].click, *_keys(desk, "Escape", "Delete", "Backspace")):
        clear()
        assert desk.ink() == 0 and desk.state == "empty"
        desk.page.keyboard.press("Control+z")  # clearing is undone like anything else
        assert desk.ink() == two
        desk.settle()
        assert desk.state != "empty"
    assert desk.page.get_by_text("Keyboard shortcuts").is_visible()


def _keys(visit: Visit, *keys: str) -> tuple[Any, ...]:
    return tuple(lambda key=key: visit.page.keyboard.press(key) for key in keys)


def test_everything_but_drawing_is_reached_by_keyboard(desk: Visit) -> None:
    desk.page.on("filechooser", lambda _: None)  # from now on choosers are handed over, and not opened
    desk.draw(ONE)
    desk.page.keyboard.press("Control+z")
    desk.page.get_by_role("button", name="Redo").click()
    desk.page.keyboard.press("Control+z")
    desk.draw(ONE)
    reached = []
    desk.page.evaluate("document.activeElement.blur()")
    for _ in range(6):
        desk.page.keyboard.press("Tab")
        reached.append(desk.page.evaluate("document.activeElement.textContent.trim()"))
        shown = desk.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert shown == "solid", reached
    assert reached == ["Undo", "Clear", "Picture", "Show me", "Keyboard shortcuts", "HTTP service"]
    with desk.page.expect_file_chooser():
        desk.page.keyboard.press("o")
    desk.page.keyboard.press("Escape")
    desk.page.keyboard.press("e")
    expect(desk.page.locator("#digit")).to_have_text(re.compile(r"\d"))
    desk.settle()


def test_a_screen_reader_hears_the_settled_answer(desk: Visit) -> None:
    desk.page.get_by_role("button", name="Show me").click()
    heard = desk.page.locator("#announce")
    expect(heard).to_contain_text("sure")
    assert heard.get_attribute("aria-live") == "polite"
    desk.settle()
    desk.page.keyboard.press("Escape")
    expect(heard).to_have_text("Nothing is drawn.")


# Pictures


def bring_file(visit: Visit, content: bytes, name: str = "picture.png") -> None:
    with visit.page.expect_response("**/v1/read"):
        visit.page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": content})
    visit.settle()


def test_a_chosen_picture_is_read_and_drawing_takes_its_place(desk: Visit) -> None:
    with desk.page.expect_response("**/v1/classify"):
        desk.page.set_input_files("#file", PAGE / "seven.png")
    desk.settle()
    assert desk.answer["digit"] == "7" and desk.ink() > 1000
    assert desk.sent == (PAGE / "seven.png").read_bytes()
    before = desk.ink()
    desk.draw(ONE)
    assert 0 < desk.ink() < before
    desk.page.keyboard.press("Control+z")
    assert desk.ink() == before
    desk.settle()


def bring(visit: Visit, way: str, blob: str) -> None:
    """Drop or paste a file, whose content is given as JavaScript, on the page."""
    event = {
        "drop": "new DragEvent('drop', { ...options, dataTransfer: data })",
        "paste": "new ClipboardEvent('paste', { ...options, clipboardData: data })",
    }
    visit.page.evaluate(
        f"""async () => {{
          const data = new DataTransfer();
          data.items.add(new File([{blob}], "picture.png", {{ type: "image/png" }}));
          const options = {{ bubbles: true, cancelable: true }};
          document.querySelector("main").dispatchEvent({event[way]});
        }}"""
    )


def test_the_edge_of_a_table_is_no_digit(desk: Visit) -> None:
    pixels = np.full((300, 400), 220, np.uint8)
    pixels[:, :20] = 50
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    bring_file(desk, file.getvalue(), "empty.png")
    assert (desk.state, desk.answer["digit"]) == ("blank", "")


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_dropped_or_pasted_picture_is_read(desk: Visit, way: str) -> None:
    with desk.page.expect_response("**/v1/classify"):
        bring(desk, way, "await (await fetch('page/seven.png')).blob()")
    desk.settle()
    assert desk.answer["digit"] == "7"


def test_pictures_that_cannot_be_read_are_explained(desk: Visit) -> None:
    white = io.BytesIO()
    Image.new("L", (40, 40), 255).save(white, "PNG")
    files = {"blank.png": white.getvalue(), "text.png": b"this is no picture"}
    for (name, content), (state, words) in zip(
        files.items(), [("blank", "I see no ink"), ("problem", "The picture cannot be read")], strict=True
    ):
        bring_file(desk, content, name)
        assert (desk.state, desk.answer["verdict"], desk.answer["digit"]) == (state, words, "")
    asked = len(desk.asked)
    bring(desk, "drop", "new Uint8Array(17 * 2**20)")
    expect(desk.page.locator("#verdict")).to_contain_text("too large")
    assert "16 MB" in desk.answer["detail"] and len(desk.asked) == asked
    # The browser itself reports every answer of 400 and above; nothing else may have been complained about.
    assert [text for text in desk.complaints if "422" not in text] == []
    desk.complaints.clear()


# Several digits


def test_a_picture_of_numbers_shows_the_text_of_python_with_a_box_for_each_digit(
    desk: Visit, recognizer: Recognizer, service: str
) -> None:
    bring_file(desk, NUMBERS)
    read = recognizer.read(NUMBERS)
    assert [request.url for request in desk.asked] == [f"{service}/v1/read"] and desk.sent == NUMBERS
    answered = desk.asked[0].response()
    assert answered and answered.json() == json.loads(json.dumps(read.to_dict()))
    assert desk.page.locator("#text").input_value() == read.text == "42 75\n360"
    assert desk.state == "several"
    assert desk.answer == {"digit": "", "verdict": "3 numbers in 2 lines", "detail": "7 digits, none of them doubtful"}
    assert desk.page.locator(".mark").all_inner_texts() == list("4275360")
    assert not desk.page.locator("#bars").is_visible() and not desk.page.locator("#seen").is_visible()
    expect(desk.page.locator("#announce")).to_contain_text("42 75 360")
    bring_file(desk, (PAGE / "seven.png").read_bytes())  # one digit takes all of that away
    assert desk.answer["digit"] == recognizer.read((PAGE / "seven.png").read_bytes()).text == "7"
    assert desk.page.locator("#bars").is_visible() and desk.page.locator(".mark").count() == 0


def test_boxes_stand_where_the_digits_are_and_doubt_has_another_color(desk: Visit) -> None:
    answering(desk, handmade.PAGE)
    bring_file(desk, png(np.full((300, 400), 230, np.uint8)))
    assert desk.state == "several-doubtful"
    assert (desk.answer["verdict"], desk.answer["detail"]) == (
        "3 numbers in 2 lines",
        "Doubtful: 1 of 8 digits, in orange boxes",
    )
    assert desk.page.locator("#text").input_value() == handmade.PAGE.text
    digits = [digit for line in handmade.PAGE.lines for number in line.numbers for digit in number.digits]
    marks = desk.page.locator(".mark")
    assert marks.all_inner_texts() == [f"{digit.digit}{'?' if digit.rejected else ''}" for digit in digits]
    sheet = desk.page.locator("#canvas").bounding_box()
    assert sheet
    scale = sheet["width"] / 400
    for mark, digit in zip(marks.all(), digits, strict=True):
        box = mark.bounding_box()
        assert box
        x, y, width, height = digit.box
        expected = [sheet["x"] + x * scale, sheet["y"] + (y + 50) * scale, width * scale, height * scale]
        assert [box["x"] + 3, box["y"] + 3, box["width"] - 6, box["height"] - 6] == pytest.approx(expected, abs=1)
        red, green, _ = re.findall(r"\d+", mark.evaluate("mark => getComputedStyle(mark).borderColor"))
        assert (int(red) > int(green)) is digit.rejected


def test_a_digit_that_is_pointed_at_or_focused_tells_how_sure_it_is(desk: Visit) -> None:
    answering(desk, handmade.PAGE)
    bring_file(desk, NUMBERS)
    tip, near = desk.page.locator("#tip"), desk.page.locator("#near-words")
    assert not tip.is_visible() and near.inner_text() == "Point at a digit"
    ninth = desk.page.locator(".mark").nth(6)  # the doubtful 9 of 390
    box = ninth.bounding_box()
    assert box
    desk.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert tip.inner_text() == near.inner_text() == "9: 40 % sure, doubtful"
    drawn = "new Uint32Array(near.getContext('2d').getImageData(0, 0, 280, 280).data.buffer).some(Boolean)"
    assert desk.page.evaluate(drawn)
    desk.page.mouse.down()
    desk.page.mouse.up()  # a click asks, and draws nothing
    assert tip.is_visible() and len(desk.asked) == 1 and desk.state == "several-doubtful"
    desk.page.mouse.move(5, 5)
    assert not tip.is_visible()
    desk.page.evaluate("document.activeElement.blur()")
    desk.page.keyboard.press("Tab")
    label = "document.activeElement.ariaLabel"
    assert desk.page.evaluate(label) == tip.inner_text().replace(":", ",") == "1, 99 % sure"
    for key, heard in (("ArrowRight", "0"), ("End", "0"), ("ArrowRight", "0"), ("ArrowLeft", "9"), ("Home", "1")):
        desk.page.keyboard.press(key)
        assert desk.page.evaluate(label).startswith(f"{heard}, ") and tip.inner_text().startswith(f"{heard}: ")
    desk.page.keyboard.press("Tab")  # all boxes are one stop
    assert not tip.is_visible() and desk.page.evaluate("document.activeElement.id") == "undo"
    desk.page.keyboard.press("Escape")
    assert desk.state == "empty" and not desk.page.locator("#marks").is_visible()


def test_a_finger_asks_a_digit_of_a_picture_and_draws_nothing(phone: Visit) -> None:
    answering(phone, handmade.PAGE)
    bring_file(phone, NUMBERS)
    box = phone.page.locator(".mark").nth(1).bounding_box()
    assert box
    phone.page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert phone.page.locator("#tip").inner_text() == "0: 99 % sure"
    phone.page.touchscreen.tap(30, box["y"] + 200)
    assert not phone.page.locator("#tip").is_visible()
    assert len(phone.asked) == 1 and phone.page.locator(".mark").count() == 8
    assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_text_is_copied(desk: Visit) -> None:
    desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    answering(desk, handmade.PAGE)
    bring_file(desk, NUMBERS)
    assert not desk.page.locator("#text").is_editable()
    desk.page.get_by_role("button", name="Copy").click()
    expect(desk.page.locator("#copy")).to_have_text("Copied")
    assert desk.page.evaluate("navigator.clipboard.readText()") == handmade.PAGE.text
    desk.page.evaluate("delete Navigator.prototype.clipboard")  # as on plain http from another machine
    expect(desk.page.locator("#copy")).to_have_text("Copy", timeout=5000)
    desk.page.get_by_role("button", name="Copy").click()
    expect(desk.page.locator("#copy")).to_have_text("Copied")


def test_a_number_is_read_while_it_is_drawn(desk: Visit, recognizer: Recognizer) -> None:
    desk.draw(pen("42"), wait=False)
    desk.settle()
    assert desk.state == "several" and desk.page.locator(".mark").count() == 2
    assert desk.answer["digit"] == desk.page.locator("#text").input_value() == recognizer.read(desk.sent).text == "42"
    assert desk.answer["verdict"] == "It says 42" and desk.answer["detail"].endswith("% sure")
    desk.draw([np.array([[0.02, 0.98], [0.3, 0.98]])], wait=False)  # the boxes are not in the pen's way
    desk.page.keyboard.press("Control+z")
    desk.settle()
    assert desk.answer["digit"] == "42"
    picture = np.asarray(Image.open(io.BytesIO(desk.sent)).convert("L"))
    assert 0.04 < (picture < 128).mean() < 0.12  # strokes as thin as a hand's, however wide the number is


def test_one_digit_among_other_things_has_its_box(desk: Visit) -> None:
    found = single_digit(Digit(7, 0.93, (200, 100, 20, 30), False), (400, 300))
    answering(desk, found, nothing(calibration.NO_DIGIT_REASON))
    bring_file(desk, NUMBERS)
    assert desk.answer == {"digit": "7", "verdict": "It says 7", "detail": "93 % sure"}
    assert desk.page.locator(".mark").count() == 1


def test_undo_goes_back_over_a_few_pictures_and_frees_the_others(desk: Visit) -> None:
    answering(desk, handmade.BLANK, nothing(calibration.BLANK_REASON))
    desk.page.evaluate(
        """() => {
          window.freed = [];
          const { close } = ImageBitmap.prototype;
          ImageBitmap.prototype.close = function () { freed.push(this.width); close.call(this); };
        }"""
    )
    for width in range(40, 47):
        bring_file(desk, png(np.full((40, width), 90, np.uint8)))
    assert desk.page.evaluate("freed") == [40, 41]
    undo = desk.page.get_by_role("button", name="Undo")
    for _ in range(4):
        undo.click()
    desk.settle()
    assert undo.is_disabled() and desk.ink() > 0
    bring_file(desk, png(np.full((1500, 3000), 90, np.uint8)))  # no more of a photo is kept than a screen shows
    assert desk.page.evaluate("freed") == [40, 41, 3000, 43, 44, 45, 46]
    assert desk.ink() > 0


# Answers of every kind


def said(**changes: Any) -> str:
    probabilities = [0.0, 0.3, 0.0, 0.0, 0.1, 0.0, 0.0, 0.6, 0.0, 0.0]
    answer = {"digit": 7, "confidence": 0.6, "probabilities": probabilities, "rejected": False, "reason": None}
    return json.dumps({**answer, "candidates": [7], "seen": [[0] * 28] * 28, **changes})


def answering(visit: Visit, reading: Reading, prediction: str | None = None) -> None:
    """From now on the service says this, whatever it is asked."""
    for path, body in (("read", json.dumps(reading.to_dict())), ("classify", prediction)):
        visit.page.unroute(f"**/v1/{path}")
        visit.page.route(
            f"**/v1/{path}", lambda route, _, body=body: route.fulfill(body=body, content_type="application/json")
        )


def nothing(reason: str) -> str:
    return said(rejected=True, reason=reason, confidence=0.01)


@pytest.mark.parametrize(
    ("body", "state", "digit", "verdict", "detail", "candidates"),
    [
        (said(confidence=0.9996), "sure", "7", "It is a seven", "99.9 % sure", ""),
        (said(candidates=[7, 1]), "unsure", "7", "Probably a seven", "60 % sure", "7 1"),
        (
            said(rejected=True, reason="unsure between 7, 1 and 4", candidates=[7, 1, 4]),
            "rejected",
            "7",
            "Hard to say",
            "Unsure between 7, 1 and 4.",
            "7 1 4",
        ),
        (
            nothing(calibration.NO_DIGIT_REASON),
            "none",
            "",
            "That does not look like a digit",
            "None of 0 to 9 is in this drawing, as far as I see.",
            "",
        ),
        (
            nothing(SEVERAL_REASON),
            "none",
            "",
            "That looks like several digits",
            "I cannot tell them apart. A little room between them helps.",
            "",
        ),
        (nothing(calibration.BLANK_REASON), "blank", "", "I see no ink", "This drawing seems to be blank.", ""),
    ],
)
def test_doubt_is_shown(
    desk: Visit, body: str, state: str, digit: str, verdict: str, detail: str, candidates: str
) -> None:
    rejected = json.loads(body)["reason"]
    answering(desk, single_digit(Digit(7, 0.6, (0, 0, 9, 9), bool(rejected)), (320, 320), rejected), body)
    desk.draw(ONE)
    assert desk.state == state
    assert desk.answer == {"digit": digit, "verdict": verdict, "detail": detail}
    shown = desk.page.locator("#candidates b").all_inner_texts() if candidates else []
    assert " ".join(shown) == candidates
    assert desk.page.locator("#candidates").is_visible() is bool(candidates)
    bars = desk.page.locator("#bars .value").all_inner_texts()
    likely = {1: "30 %", 4: "10 %", 7: "60 %"}
    assert bars == [likely.get(each, "< 0.1 %") if digit else "" for each in range(10)]
    assert desk.page.locator(".best").count() == (1 if digit else 0)
    assert not desk.page.locator("#marks").is_visible()


def test_a_silent_service_is_told_and_asked_again(desk: Visit) -> None:
    desk.page.route("**/v1/classify", lambda route: route.abort())
    desk.draw(ONE, wait=False)
    desk.page.wait_for_selector("[data-state=offline]")
    assert desk.answer["verdict"] == "No answer" and "drawing stays" in desk.answer["detail"]
    ink = desk.ink()
    assert desk.page.get_by_role("button", name="Try again").is_visible() and ink > 0
    desk.page.unroute("**/v1/classify")
    desk.page.wait_for_selector("[data-state=offline]", state="detached", timeout=5000)  # without a click
    assert desk.answer["digit"] != "" and desk.ink() == ink
    assert all("ERR_FAILED" in text for text in desk.complaints)
    desk.complaints.clear()


# Phone, pen, screens


def test_a_finger_draws_and_does_not_scroll_the_phone(phone: Visit) -> None:
    touch = phone.context.new_cdp_session(phone.page)

    def swipe(x: float, start: float, end: float) -> None:
        for step in range(13):
            point = {"x": x, "y": start + (end - start) * step / 12}
            kind = "touchStart" if step == 0 else "touchMove"
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
            phone.page.wait_for_timeout(16)
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        phone.page.wait_for_timeout(300)

    box = phone.page.locator("#canvas").bounding_box()
    assert box
    swipe(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.85, box["y"] + box["height"] * 0.15)
    phone.settle()
    assert phone.page.evaluate("[scrollY, visualViewport.scale]") == [0, 1]
    assert phone.ink() > 1000 and phone.answer["digit"] == "1"
    bars = phone.page.locator("#bars").bounding_box()
    assert bars
    swipe(30, bars["y"] + bars["height"], bars["y"])
    assert phone.page.evaluate("scrollY") > 0  # elsewhere the page does scroll


def test_a_pen_draws_with_its_pressure(desk: Visit) -> None:
    def line(pressure: float) -> int:
        desk.page.evaluate(
            """(pressure) => {
              const canvas = document.querySelector("#canvas");
              canvas.setPointerCapture = () => {};
              const { left, top } = canvas.getBoundingClientRect();
              for (const [index, type] of ["pointerdown", ...Array(9).fill("pointermove"), "pointerup"].entries()) {
                canvas.dispatchEvent(new PointerEvent(type, { pointerId: 7, pointerType: "pen", isPrimary: true,
                  button: 0, pressure, clientX: left + 150, clientY: top + 100 + 20 * index }));
              }
            }""",
            pressure,
        )
        ink = desk.ink()
        desk.page.keyboard.press("Escape")
        return ink

    light, firm = line(0.1), line(1.0)
    assert 0 < light < 0.7 * firm
    desk.settle()


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_the_sheet_is_sharp_and_a_resize_keeps_the_drawing(browser: Browser, service: str, scale: int) -> None:
    visit = Visit(browser, service, **DESKTOP, device_scale_factor=scale)
    visit.draw(ONE)
    side, shown = visit.page.evaluate("[canvas.width, canvas.clientWidth]")
    assert side == pytest.approx(shown * scale, abs=1)
    part = visit.ink() / side**2
    visit.page.set_viewport_size({"width": 500, "height": 900})
    expect(visit.page.locator("#canvas")).not_to_have_js_property("width", side)
    small, shown = visit.page.evaluate("[canvas.width, canvas.clientWidth]")
    assert small == pytest.approx(shown * scale, abs=1)
    assert visit.ink() / small**2 == pytest.approx(part, rel=0.08)
    visit.close()


@pytest.mark.parametrize("options", [DESKTOP, PHONE, {"viewport": {"width": 320, "height": 600}}])
def test_nothing_is_wider_than_the_screen_and_targets_are_large(browser: Browser, service: str, options: Any) -> None:
    visit = Visit(browser, service, **options)
    visit.draw(ONE)
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for tool in visit.page.locator(".tools button").all():
        box = tool.bounding_box()
        assert box and box["height"] >= 44 and box["width"] >= 44
    if options in (DESKTOP, PHONE):  # the answer is in sight while drawing
        box = visit.page.locator("#bars").bounding_box()
        assert box and box["y"] + box["height"] <= options["viewport"]["height"]
    long = handmade.number("1" * 60, 10, 10, size=2)
    answering(visit, handmade.reading((long,), (handmade.number("123456", 9, 90),)))
    bring_file(visit, NUMBERS)
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    answering(visit, handmade.reading((handmade.number("123456", 9, 90),)))
    bring_file(visit, NUMBERS)
    assert visit.answer["digit"] == "123456"
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    seen, digit = (visit.page.locator(name).bounding_box() for name in (".near", "#digit"))
    assert seen and digit and digit["x"] + digit["width"] <= seen["x"]
    visit.close()


# Contrast of every piece of text against what is behind it (WCAG 2.2, 1.4.3), buttons that are switched off excepted.
CONTRAST = """() => {
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (color) => {
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = color;
    probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => [r, g, b].map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = rgb(getComputedStyle(each).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const texts = [...document.querySelectorAll("body *")].filter((element) =>
    !element.closest("[hidden], noscript, button:disabled, .unseen") && element.checkVisibility() &&
    [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return texts.map((element) => {
    const [one, two] = [rgb(getComputedStyle(element).color), behind(element)].map(luminance).sort((a, b) => b - a);
    return [(one + 0.05) / (two + 0.05), element.textContent.trim()];
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("where", ["/", "/docs"])
def test_text_has_contrast_in_light_and_dark(browser: Browser, service: str, scheme: str, where: str) -> None:
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(service + where)
    page.wait_for_load_state("networkidle")
    if where == "/":
        page.locator("summary").click()
        page.get_by_role("button", name="Show me").click()
        expect(page.locator("#digit")).to_have_text(re.compile(r"\d"))
    measured = page.evaluate(CONTRAST)
    if where == "/":
        page.route("**/v1/read", lambda route: route.fulfill(json=handmade.PAGE.to_dict()))
        page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": NUMBERS})
        expect(page.locator(".mark")).to_have_count(8)
        page.locator(".mark").first.focus()
        measured += page.evaluate(CONTRAST)
    brightness = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
    context.close()
    assert len(measured) > 25
    assert [each for each in measured if each[0] < 4.5] == []
    assert (brightness < 60) is (scheme == "dark")


# The documentation of the service


def test_the_documentation_shows_and_tries_every_operation(browser: Browser, service: str) -> None:
    context = browser.new_context(**DESKTOP)
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{service}/docs#problem-too-busy")
    page.wait_for_selector("form")
    assert page.locator("form").count() == 4
    for form in page.locator("form").all():
        form.get_by_role("button", name="Send").click()
        expect(form.locator("xpath=following-sibling::pre[1]")).to_have_text(re.compile("^200 application/json"))
    assert '"digit": 7' in page.locator("pre[role=status]").first.inner_text()
    assert f"curl -F image=@seven.png {service}/v1/classify" in page.locator("main").inner_text()
    assert page.locator("#problem-too-busy").is_visible()
    assert all(url.startswith(service + "/") for url in asked) and complaints == []
    context.close()
