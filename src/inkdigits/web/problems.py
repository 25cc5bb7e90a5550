"""Every refusal of the service as a problem document (RFC 9457), each with a type that says what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from inkdigits.errors import ImageError, ImageSizeError
from inkdigits.web.headers import HEADERS

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Kind:
    """One kind of problem: its HTTP status, its title, and what a caller can do about it."""

    slug: str
    status: int
    title: str
    advice: str

    @property
    def type(self) -> str:
        """The URI of this kind: a section of the service's own /docs page."""
        return f"/docs#problem-{self.slug}"


NOT_FOUND = Kind("not-found", 404, "There is nothing at this address", "Check the path against the list in /docs.")
METHOD = Kind("method-not-allowed", 405, "This address does not take this method", "Use a method of the Allow header.")
BAD_FORM = Kind(
    "malformed-form",
    400,
    "The form cannot be read",
    "Send one file in the form field 'image': curl -F image=@seven.png",
)
CUT_SHORT = Kind("upload-cut-short", 400, "The upload ended too early", "Send the request again.")
TOO_SLOW = Kind("upload-too-slow", 408, "The upload took too long", "Send a smaller picture, or try again.")
TOO_LARGE = Kind(
    "picture-too-large", 413, "The picture has too many bytes", "Scale the picture down, or save it as JPEG."
)
TOO_MANY_PIXELS = Kind("too-many-pixels", 413, "The picture has too many pixels", "Scale the picture down.")
WRONG_TYPE = Kind(
    "unsupported-media-type",
    415,
    "The body is not a picture",
    "Send a form with the file field 'image', or the bytes of the picture with a Content-Type of image/png, "
    "image/jpeg, ... or application/octet-stream.",
)
NO_PICTURE = Kind("no-picture", 422, "The request holds no picture", "Send the bytes of one image file.")
UNREADABLE = Kind(
    "unreadable-picture", 422, "The picture cannot be read", "Send a whole PNG, JPEG, WebP, GIF, BMP or TIFF file."
)
TOO_BUSY = Kind("too-busy", 503, "Too many pictures at once", "Wait as long as the Retry-After header says.")
FAILED = Kind("internal-error", 500, "Something went wrong here", "The cause is in the server's log.")

KINDS = (
    NOT_FOUND,
    METHOD,
    BAD_FORM,
    CUT_SHORT,
    TOO_SLOW,
    TOO_LARGE,
    TOO_MANY_PIXELS,
    WRONG_TYPE,
    NO_PICTURE,
    UNREADABLE,
    TOO_BUSY,
    FAILED,
)
_BY_STATUS = {400: BAD_FORM, 404: NOT_FOUND, 405: METHOD}


class Refusal(Exception):
    """Raised while a request is handled; becomes a problem document of its kind."""

    def __init__(self, kind: Kind, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = headers


def response(request: Request, kind: Kind, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """The problem document as an HTTP response."""
    return _document(request, kind.type, kind.status, kind.title, detail, headers)


def install(app: FastAPI) -> None:
    """Let every error of `app`, its router's own included, answer with a problem document."""

    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return response(request, error.kind, error.detail, error.headers)

    def unreadable(request: Request, error: Exception) -> Response:
        return response(request, TOO_MANY_PIXELS if isinstance(error, ImageSizeError) else UNREADABLE, str(error))

    def failed(request: Request, _error: Exception) -> Response:
        return response(request, FAILED, f"{request.method} {request.url.path} failed. {FAILED.advice}")

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(ImageError, unreadable)
    app.add_exception_handler(HTTPException, _router_error)
    app.add_exception_handler(Exception, failed)


def _router_error(request: Request, error: Exception) -> Response:
    """What Starlette refuses by itself: unknown paths, wrong methods, forms that do not parse."""
    assert isinstance(error, HTTPException)
    kind = _BY_STATUS.get(error.status_code)
    if kind is None:
        phrase = HTTPStatus(error.status_code).phrase
        return _document(request, "about:blank", error.status_code, phrase, error.detail, error.headers)
    asked = f"{request.method} {request.url.path}"
    detail = error.detail if kind is BAD_FORM else f"{asked} is not part of this service."
    return response(request, kind, f"{detail.rstrip('.')}. {kind.advice}", error.headers)


def _document(
    request: Request,
    kind: str,
    status: int,
    title: str,
    detail: str,
    headers: Mapping[str, str] | None,
) -> Response:
    document: dict[str, Any] = {
        "type": kind,
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
    }
    content = json.dumps(document, ensure_ascii=False)
    # A failure is answered outside of the middleware that dresses every other answer.
    return Response(content, status, {**HEADERS, **(headers or {})}, MEDIA_TYPE)
