"""The HTTP service and the page, around one recognizer that is loaded once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from numpy.typing import NDArray
from starlette.middleware import Middleware
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

import inkdigits
from inkdigits import images
from inkdigits.web import problems, schemas
from inkdigits.web.headers import SecurityHeaders
from inkdigits.web.uploads import Limits, picture_of

if TYPE_CHECKING:
    from inkdigits.recognizer import Recognizer

PAGE = Path(__file__).with_name("page")


def create_app(
    recognizer: Recognizer | None = None, model: str | Path = "default", *, limits: Limits | None = None
) -> FastAPI:
    """The web application; any ASGI server can run it.

    Args:
        recognizer: answers every request; None loads `model`, here and only once.
        model: a bundled model's name, a bundle folder or an `.onnx` file.
        limits: what is accepted; the defaults suit a private computer.

    Raises:
        BundleError: the model cannot be loaded.
    """
    recognizer = recognizer if recognizer is not None else inkdigits.load(model)
    limits = limits or Limits()
    app = FastAPI(
        title="inkdigits",
        version=inkdigits.__version__,
        description=schemas.DESCRIPTION,
        openapi_tags=schemas.TAGS,
        docs_url=None,
        redirect_slashes=False,
        redoc_url=None,
        middleware=[Middleware(SecurityHeaders)],
    )
    problems.install(app)
    _recognizing(app, recognizer, limits)
    _telling(app, recognizer, limits)
    _showing(app)
    app.openapi = lambda: _description(app)  # type: ignore[method-assign]
    return app


class _Desk:
    """Looks at pictures on a few threads, so that the event loop stays free; turns away what would pile up."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._threads = ThreadPoolExecutor(limits.workers, "inkdigits")
        self._inside = 0

    async def answer(self, request: Request, work: Callable[[NDArray[np.uint8]], dict[str, Any]]) -> Response:
        """Take the picture out of a request, let `work` look at its pixels, and answer with what it says."""
        if self._inside >= self._limits.waiting:
            detail = f"{self._inside} pictures are waiting already. Try again in a second."
            raise problems.Refusal(problems.TOO_BUSY, detail, {"Retry-After": "1"})
        self._inside += 1
        try:
            picture = await picture_of(request, self._limits)
            answer = await asyncio.get_running_loop().run_in_executor(self._threads, self._look, picture, work)
        finally:
            self._inside -= 1
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    def _look(self, picture: bytes, work: Callable[[NDArray[np.uint8]], dict[str, Any]]) -> dict[str, Any]:
        return work(images.to_pixels(picture, name="the picture sent", max_pixels=self._limits.max_pixels))


def _recognizing(app: FastAPI, recognizer: Recognizer, limits: Limits) -> None:
    desk = _Desk(limits)

    def shared(path: str, model: type) -> dict[str, Any]:
        extra = {"requestBody": schemas.PICTURE_BODY, "x-examples": schemas.examples(path, picture=True)}
        kinds = (kind for kind in problems.KINDS if kind not in (problems.NOT_FOUND, problems.METHOD))
        return {
            "tags": ["recognize"],
            "response_model": None,
            "responses": {200: {"model": model, "description": "What was read."}, **_refusals(*kinds)},
            "openapi_extra": extra,
        }

    @app.post("/v1/classify", summary="Recognize one digit", **shared("/v1/classify", schemas.Prediction))
    async def classify(request: Request) -> Response:
        """The picture shows one digit. What does not look like one is answered too: `rejected`, with the reason."""
        return await desk.answer(request, lambda pixels: recognizer.classify(pixels)[0].to_dict())

    @app.post("/v1/read", summary="Read a whole picture", **shared("/v1/read", schemas.Reading))
    async def read(request: Request) -> Response:
        """The picture shows one digit, a number or a page: its lines of numbers, every digit with its place."""
        return await desk.answer(request, lambda pixels: recognizer.read(pixels).to_dict())


def _telling(app: FastAPI, recognizer: Recognizer, limits: Limits) -> None:
    card = recognizer.card
    served = schemas.Model(
        name=card.name,
        architecture=str(card.architecture["name"]),
        parameters=card.parameters,
        reject_threshold=recognizer.reject_threshold,
        sha256=card.files.get("model.onnx"),
    )
    shown = schemas.LimitsShown(max_bytes=limits.max_bytes, max_pixels=limits.max_pixels)

    def extra(path: str) -> dict[str, Any]:
        return {"x-examples": schemas.examples(path, picture=False)}

    @app.get("/v1/models", tags=["service"], summary="The model that answers", openapi_extra=extra("/v1/models"))
    async def models() -> schemas.Models:
        """What is loaded, and what a picture may be at most."""
        return schemas.Models(models=[served], limits=shown)

    @app.get("/healthz", tags=["service"], summary="Is it running?", openapi_extra=extra("/healthz"))
    async def health() -> schemas.Health:
        """Answers once the model is loaded."""
        return schemas.Health(status="ok", version=inkdigits.__version__, model=served.name)

    for path, told in (("/v1/models", models), ("/healthz", health)):  # the same without a body, as for the pages
        app.add_api_route(path, told, methods=["HEAD"], include_in_schema=False)


def _showing(app: FastAPI) -> None:
    """The page, its parts, and the description of the service for people."""

    def show(path: str, name: str) -> None:
        async def file() -> Response:
            return FileResponse(PAGE / name)

        app.add_api_route(path, file, methods=["GET", "HEAD"], include_in_schema=False)

    show("/", "index.html")
    show("/docs", "docs.html")
    app.mount("/page", StaticFiles(directory=PAGE))


def _refusals(*kinds: problems.Kind) -> dict[int | str, dict[str, Any]]:
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    titles: dict[int, list[str]] = {}
    for kind in kinds:
        titles.setdefault(kind.status, []).append(kind.title)
    return {status: {"description": "; or ".join(words) + ".", "content": content} for status, words in titles.items()}


def _description(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, made on first request: FastAPI's, with our problem documents in it."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            tags=app.openapi_tags,
            routes=app.routes,
        )
        document["components"]["schemas"]["Problem"] = schemas.Problem.model_json_schema()
        document["x-problems"] = [
            {"slug": kind.slug, "status": kind.status, "title": kind.title, "advice": kind.advice}
            for kind in problems.KINDS
        ]
        app.openapi_schema = document
    return app.openapi_schema
