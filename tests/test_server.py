"""The HTTP service: the command line's JSON, limits, and a problem document for everything that is refused."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from PIL import Image
from schemathesis.checks import CHECKS, load_all_checks

import inkdigits
from browser import serving
from inkdigits import calibration
from inkdigits.errors import BundleError
from inkdigits.recognizer import SEVERAL_REASON
from inkdigits.web import problems, schemas
from inkdigits.web.headers import HEADERS
from inkdigits.web.server import PAGE, create_app
from inkdigits.web.uploads import Limits
from written import png, written

SEVEN = (PAGE / "seven.png").read_bytes()
NUMBERS = png(written("42 75", "360"))
PATHS = ("/v1/classify", "/v1/read")


@pytest.fixture
def client(service: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service, timeout=30) as client:
        yield client


class Slow:
    """A recognizer that answers when it is told to, and counts how many pictures it looks at at once."""

    def __init__(self, real: Any) -> None:
        self.card, self.reject_threshold, self._real = real.card, real.reject_threshold, real
        self.go, self.lock, self.now, self.most = threading.Event(), threading.Lock(), 0, 0

    def classify(self, images: Any) -> Any:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        assert self.go.wait(20)
        with self.lock:
            self.now -= 1
        return self._real.classify(images)


def refused(answer: httpx.Response, kind: problems.Kind) -> dict[str, Any]:
    """Check that an answer is a whole problem document of this kind, with the security headers on it."""
    document = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(document) == {"type", "title", "status", "detail", "instance"}
    assert document["type"] == f"/docs#problem-{kind.slug}", document
    assert document["title"] == kind.title and document["status"] == answer.status_code == kind.status
    assert document["instance"] == answer.url.path and document["detail"]
    assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
    return document


# What is answered


@pytest.mark.parametrize("path", PATHS)
def test_form_and_bytes_give_the_answer_of_python(client: httpx.Client, recognizer: Any, path: str) -> None:
    expected = (recognizer.read(SEVEN) if path == "/v1/read" else recognizer.classify(SEVEN)[0]).to_dict()
    answers = [
        client.post(path, files={"image": ("seven.png", SEVEN, "image/png")}),
        client.post(path, content=SEVEN, headers={"Content-Type": "image/png"}),
        client.post(path, content=SEVEN, headers={"Content-Type": "IMAGE/x-any; note=1"}),
        client.post(path, content=SEVEN, headers={"Content-Type": "application/octet-stream"}),
        client.post(path, content=SEVEN),
        client.post(path, content=(SEVEN[at : at + 999] for at in range(0, len(SEVEN), 999))),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert answer.json() == json.loads(json.dumps(expected))
        assert answer.headers["cache-control"] == "no-store"
    assert "7" in json.dumps(expected)


@pytest.mark.parametrize("picture", [SEVEN, NUMBERS], ids=["a digit", "lines of numbers"])
def test_same_json_as_the_command_line(
    client: httpx.Client, recognizer: Any, monkeypatch: Any, capsys: Any, picture: bytes
) -> None:
    from inkdigits.cli import app

    Path("picture.png").write_bytes(picture)
    monkeypatch.setattr("inkdigits.recognizer.load", lambda *_args, **_options: recognizer)
    monkeypatch.setattr(inkdigits, "load", lambda *_args, **_options: recognizer, raising=False)
    app(["read", "--json", "picture.png"], standalone_mode=False)
    printed = json.loads(capsys.readouterr().out)
    answered = client.post("/v1/read", content=picture).json()
    assert {name: printed[name] for name in answered} == answered


def test_lines_of_numbers_are_read_as_in_python_each_digit_with_its_place(
    client: httpx.Client, recognizer: Any
) -> None:
    answered = client.post("/v1/read", content=NUMBERS).json()
    assert answered == json.loads(json.dumps(recognizer.read(NUMBERS).to_dict()))
    assert answered["text"] == "42 75\n360" and answered["reason"] is None
    assert [[number["text"] for number in line["numbers"]] for line in answered["lines"]] == [["42", "75"], ["360"]]
    for line in answered["lines"]:
        for number in line["numbers"]:
            assert "".join(str(digit["digit"]) for digit in number["digits"]) == number["text"]
            for x, y, width, height in (digit["box"] for digit in number["digits"]):
                assert 0 <= x < x + width <= answered["width"] and 0 <= y < y + height <= answered["height"]


def test_what_is_no_single_digit_is_answered_as_in_python(client: httpx.Client, recognizer: Any) -> None:
    answer = client.post("/v1/classify", content=NUMBERS).json()
    assert answer == json.loads(json.dumps(recognizer.classify(NUMBERS)[0].to_dict()))
    assert answer["rejected"] is (answer["reason"] is not None)


def test_blank_picture_is_answered_with_a_reason(client: httpx.Client) -> None:
    answer = client.post("/v1/classify", content=png(np.full((60, 80), 255, np.uint8))).json()
    assert answer["rejected"] and "no ink" in answer["reason"] and not np.any(answer["seen"])
    assert client.post("/v1/read", content=png(np.full((60, 80), 255, np.uint8))).json()["text"] == ""


def test_health_and_models(client: httpx.Client, recognizer: Any) -> None:
    name = recognizer.card.name
    assert client.get("/healthz").json() == {"status": "ok", "version": inkdigits.__version__, "model": name}
    for path in ("/healthz", "/v1/models"):
        assert client.head(path).status_code == 200
        assert client.head(path).content == b""
    answer = client.get("/v1/models").json()
    [model] = answer["models"]
    assert model["name"] == name and model["parameters"] == recognizer.card.parameters
    assert answer["limits"] == {"max_bytes": Limits().max_bytes, "max_pixels": 24_000_000}


def test_the_model_is_loaded_once_when_the_application_is_made(monkeypatch: Any, recognizer: Any) -> None:
    loaded: list[Any] = []
    monkeypatch.setattr(inkdigits, "load", lambda name: loaded.append(name) or recognizer, raising=False)
    app = create_app(model="runs/mine")
    assert loaded == ["runs/mine"]
    with serving(app) as address:
        for _ in range(3):
            assert httpx.post(f"{address}/v1/classify", content=SEVEN).status_code == 200
    assert loaded == ["runs/mine"]


def test_a_missing_model_is_told_before_anything_is_served() -> None:
    with pytest.raises(BundleError, match="no-such-model"):
        create_app(model="no-such-model")


# What is refused


@pytest.mark.parametrize("path", PATHS)
def test_bodies_that_are_no_picture(client: httpx.Client, path: str) -> None:
    text = {"Content-Type": "text/plain"}
    assert "text/plain" in refused(client.post(path, content=SEVEN, headers=text), problems.WRONG_TYPE)["detail"]
    refused(client.post(path, data={"image": "seven"}), problems.WRONG_TYPE)
    refused(client.post(path, content=SEVEN, headers={"Content-Encoding": "gzip"}), problems.WRONG_TYPE)
    refused(client.post(path, content=b""), problems.NO_PICTURE)
    refused(client.post(path), problems.NO_PICTURE)
    refused(client.post(path, content=b"not a picture"), problems.UNREADABLE)
    refused(client.post(path, content=SEVEN[: len(SEVEN) // 2]), problems.UNREADABLE)
    refused(client.post(path, content=png(np.zeros((1, 1), np.uint8))), problems.UNREADABLE)


def test_forms_that_hold_no_picture(client: httpx.Client) -> None:
    def send(**files: Any) -> httpx.Response:
        return client.post("/v1/classify", files=files)

    assert "'photo'" in refused(send(photo=("seven.png", SEVEN)), problems.NO_PICTURE)["detail"]
    assert "is text" in refused(send(image=(None, "seven.png")), problems.NO_PICTURE)["detail"]
    refused(send(image=("empty.png", b"")), problems.NO_PICTURE)
    refused(send(image=("a.png", SEVEN), other=("b.png", SEVEN)), problems.BAD_FORM)
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
        refused(client.post("/v1/classify", content=SEVEN, headers={"Content-Type": kind}), problems.BAD_FORM)


def test_paths_and_methods_that_are_not_there(client: httpx.Client) -> None:
    for path in (
        "/nothing",
        "/v1",
        "/v1/classify/more",
        "/page/nothing.js",
        "/page/../server.py",
        "/page/%2e%2e/server.py",
    ):
        refused(client.get(path), problems.NOT_FOUND)
    answer = client.get("/v1/classify")
    refused(answer, problems.METHOD)
    assert answer.headers["allow"] == "POST"
    for method, path in (("DELETE", "/v1/read"), ("POST", "/healthz"), ("PUT", "/"), ("POST", "/page/app.js")):
        refused(client.request(method, path), problems.METHOD)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("form", [False, True])
def test_too_many_bytes(recognizer: Any, streamed: bool, form: bool) -> None:
    limit = len(SEVEN) + 10
    with serving(create_app(recognizer, limits=Limits(max_bytes=limit))) as address, httpx.Client() as client:

        def send(picture: bytes) -> httpx.Response:
            request = client.build_request(
                "POST",
                f"{address}/v1/classify",
                **({"files": {"image": picture}} if form else {"content": picture}),  # type: ignore[arg-type]
            )
            body = request.read()
            parts = (body[at : at + 65536] for at in range(0, len(body), 65536))
            kind = {name: request.headers[name] for name in ("content-type",) if name in request.headers}
            return client.post(request.url, content=parts if streamed else body, headers=kind)

        assert send(SEVEN + bytes(10)).status_code == 200
        for extra in (11, 300_000):
            document = refused(send(SEVEN + bytes(extra)), problems.TOO_LARGE)
            assert f"{limit:,} bytes" in document["detail"]
        assert send(SEVEN).status_code == 200


def test_an_endless_body_is_cut_off_early(recognizer: Any) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 200 * 2**20:
            sent += 65536
            yield bytes(65536)

    app = create_app(recognizer, limits=Limits(max_bytes=100_000))
    # The connection may close while the client still writes.
    with serving(app) as address, contextlib.suppress(httpx.HTTPError):
        refused(httpx.post(f"{address}/v1/classify", content=endless()), problems.TOO_LARGE)
    assert sent < 50 * 2**20


def test_too_many_pixels(client: httpx.Client) -> None:
    for side in (5_000, 9_000):  # more than the service takes, more than the library does
        image = io.BytesIO()
        Image.new("1", (side, side)).save(image, "PNG")
        problem = refused(client.post("/v1/classify", content=image.getvalue()), problems.TOO_MANY_PIXELS)
        assert "at most 24,000,000 pixels" in problem["detail"]


def test_the_limit_of_pixels_is_a_setting(recognizer: Any) -> None:
    with serving(create_app(recognizer, limits=Limits(max_pixels=100))) as address:
        assert httpx.get(f"{address}/v1/models").json()["limits"]["max_pixels"] == 100
        for path in PATHS:
            refused(httpx.post(f"{address}{path}", content=SEVEN), problems.TOO_MANY_PIXELS)


def test_a_slow_upload_is_given_up(recognizer: Any) -> None:
    def slow() -> Iterator[bytes]:
        yield SEVEN[:100]
        time.sleep(0.6)
        yield SEVEN[100:]

    with serving(create_app(recognizer, limits=Limits(upload_seconds=0.2))) as address:
        refused(httpx.post(f"{address}/v1/classify", content=slow()), problems.TOO_SLOW)


def test_an_upload_that_breaks_off_harms_nobody(client: httpx.Client, service: str) -> None:
    host, port = service.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nhalf")
    assert client.post("/v1/classify", content=SEVEN).status_code == 200


def test_a_failure_inside_is_a_problem_without_its_secrets(recognizer: Any, capsys: Any) -> None:
    class Broken(Slow):
        def classify(self, images: Any) -> Any:
            raise RuntimeError("the secret")

    with serving(create_app(Broken(recognizer))) as address:  # type: ignore[arg-type]
        answer = httpx.post(f"{address}/v1/classify", content=SEVEN)
        refused(answer, problems.FAILED)
        assert "secret" not in answer.text
    assert "the secret" in capsys.readouterr().err


# Many at once


def test_inference_is_bounded_and_leaves_the_service_answering(recognizer: Any) -> None:
    slow = Slow(recognizer)
    app = create_app(slow, limits=Limits(workers=2, waiting=5))  # type: ignore[arg-type]
    arrived = 0

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        nonlocal arrived
        arrived += scope["type"] == "http"
        await app(scope, receive, send)

    with serving(counted) as address, ThreadPoolExecutor(5) as threads:
        asked = [threads.submit(httpx.post, f"{address}/v1/classify", content=SEVEN, timeout=30) for _ in range(5)]
        wait_for(lambda: slow.now == 2 and arrived == 5)  # before the next, which must find no room
        assert httpx.get(f"{address}/healthz").status_code == 200
        wait_for(lambda: httpx.post(f"{address}/v1/classify", content=SEVEN, timeout=0.5).status_code == 503)
        refusal = httpx.post(f"{address}/v1/classify", content=SEVEN)
        refused(refusal, problems.TOO_BUSY)
        assert refusal.headers["retry-after"] == "1"
        slow.go.set()
        assert {answer.result().status_code for answer in asked} == {200}
        assert slow.most == 2
        assert httpx.post(f"{address}/v1/classify", content=SEVEN).status_code == 200


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            if condition():
                return
        except httpx.TimeoutException:
            pass
        time.sleep(0.02)
    raise AssertionError("did not happen within 10 seconds")


# The page's files, the description


def test_pages_and_their_parts_are_served_safely(client: httpx.Client) -> None:
    for path in ("/", "/docs", *(f"/page/{file.name}" for file in PAGE.iterdir())):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert answer.headers["cache-control"] == "no-cache"
        assert client.head(path).status_code == 200
    again = client.get("/page/app.js", headers={"If-None-Match": client.get("/page/app.js").headers["etag"]})
    assert again.status_code == 304
    kinds = {
        "app.js": "text/javascript",
        "manifest.webmanifest": "application/manifest+json",
        "icon.svg": "image/svg+xml",
    }
    for name, kind in kinds.items():
        assert client.get(f"/page/{name}").headers["content-type"].startswith(kind)


def test_the_page_names_no_other_host() -> None:
    for file in PAGE.iterdir():
        if file.suffix != ".png":
            hosts = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'`)]*", file.read_text()))
            assert hosts <= {"http://www.w3.org/2000/svg"}, file  # a name, which nothing fetches


def test_the_manifest_points_at_icons_that_are_there() -> None:
    manifest = json.loads((PAGE / "manifest.webmanifest").read_text())
    assert {icon["purpose"] for icon in manifest["icons"]} == {"any", "maskable"}
    assert all((PAGE / icon["src"]).is_file() for icon in manifest["icons"])


def test_the_examples_of_the_description_work(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()
    done = 0
    for path, methods in described["paths"].items():
        for operation in methods.values():
            for example in operation["x-examples"]:
                answer = curl(client, example["source"])
                assert answer.status_code == 200, example
                done += 1
        assert path in example["source"]
    assert done == 8


def curl(client: httpx.Client, command: str) -> httpx.Response:
    """Do what a curl command of the description does."""
    program, *words = shlex.split(command)
    assert program == "curl"
    options: dict[str, Any] = {}
    output = None
    while len(words) > 1:
        option, value = words.pop(0), words.pop(0)
        if option == "-o":
            output = value
        elif option == "-F":
            name, _, file = value.partition("=@")
            options["files"] = {name: (file, Path(file).read_bytes(), "image/png")}
        elif option == "--data-binary":
            options["content"] = Path(value.removeprefix("@")).read_bytes()
        else:
            assert option == "-H"
            options["headers"] = dict([value.split(": ")])
    answer = client.request("POST" if options else "GET", words[0].removeprefix("{server}"), **options)
    if output:
        Path(output).write_bytes(answer.content)
    return answer


def test_problem_types_are_explained_where_they_point(client: httpx.Client) -> None:
    described = {each["slug"]: each for each in client.get("/openapi.json").json()["x-problems"]}
    assert set(described) == {kind.slug for kind in problems.KINDS}
    assert 'id="problems"' in client.get("/docs").text and "`problem-${slug}`" in client.get("/page/docs.js").text


def test_answers_fit_their_schemas_exactly(client: httpx.Client) -> None:
    schemas.Prediction.model_validate_json(client.post("/v1/classify", content=SEVEN).content, strict=True)
    for picture in (SEVEN, NUMBERS, png(np.full((60, 80), 255, np.uint8))):
        schemas.Reading.model_validate_json(client.post("/v1/read", content=picture).content, strict=True)


def test_the_reasons_that_are_described_are_those_that_are_given(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()["components"]["schemas"]
    given = [calibration.NO_DIGIT_REASON, calibration.BLANK_REASON, SEVERAL_REASON]
    for name, reasons in (("Prediction", given), ("Reading", given[:2])):
        field = described[name]["properties"]["reason"]
        assert set(reasons) <= set(field["examples"])
        assert all(f"`{reason}`" in field["description"] for reason in reasons)


load_all_checks()
CONTRACT = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "unsupported_method",
    ]
)


@pytest.mark.parametrize("path", ["/v1/classify", "/v1/read", "/v1/models", "/healthz"])
def test_whatever_comes_the_service_keeps_its_contract(recognizer: Any, path: str) -> None:
    described = schemathesis.openapi.from_asgi("/openapi.json", create_app(recognizer))
    assert len(described) == 4
    [operation] = described[path].values()

    @given(operation.as_strategy())
    @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def answers(case: Any) -> None:
        case.call_and_validate(checks=CONTRACT)

    answers()
