"""From a request's body to the bytes of one picture, without ever holding more than the limit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from inkdigits.web import MAX_BYTES, MAX_PIXELS, problems
from inkdigits.web.problems import Refusal

_FORM_OVERHEAD = 64 * 2**10
_FORM = "multipart/form-data"
_BYTES = "application/octet-stream"


@dataclass(frozen=True)
class Limits:
    """What the service accepts.

    Attributes:
        max_bytes: of one picture file.
        max_pixels: of one picture, width times height; small files may hold large pictures.
        upload_seconds: for one request's body to arrive.
        workers: pictures that are looked at at the same time.
        waiting: requests that may be in the house at once, those being looked at included; more are told to come back.
    """

    max_bytes: int = MAX_BYTES
    max_pixels: int = MAX_PIXELS
    upload_seconds: float = 60.0
    workers: int = 2
    waiting: int = 32


async def picture_of(request: Request, limits: Limits) -> bytes:
    """The bytes of the one picture in a request: the file field `image` of a form, or the body itself.

    Raises:
        Refusal: another content type, a body over the limit (announced or streamed), too slow, cut short or empty.
    """
    kind = _content_type(request)
    limit = limits.max_bytes + (_FORM_OVERHEAD if kind == _FORM else 0)
    await _check_announced(request, limit, limits)
    counted = Request(request.scope, _counted(request.receive, limit, limits.max_bytes))
    try:
        async with asyncio.timeout(limits.upload_seconds):
            content = await (_from_form(counted) if kind == _FORM else counted.body())
    except TimeoutError:
        detail = f"Expected the whole body within {limits.upload_seconds:g} seconds. {problems.TOO_SLOW.advice}"
        raise Refusal(problems.TOO_SLOW, detail, {"Connection": "close"}) from None
    except ClientDisconnect:
        raise Refusal(problems.CUT_SHORT, "The connection closed before the body was complete.") from None
    if len(content) > limits.max_bytes:
        raise _too_large(limits.max_bytes)
    if not content:
        raise Refusal(problems.NO_PICTURE, "Expected the bytes of an image file. Received: nothing.")
    return content


def _content_type(request: Request) -> str:
    full = request.headers.get("content-type", _BYTES)
    kind = full.partition(";")[0].strip().lower()
    if kind not in (_FORM, _BYTES) and not kind.startswith("image/"):
        raise Refusal(problems.WRONG_TYPE, f"Received: Content-Type {kind or '(empty)'}. {problems.WRONG_TYPE.advice}")
    if kind == _FORM and "boundary=" not in full.lower():
        advice = "Let the HTTP client write this header itself."
        raise Refusal(problems.BAD_FORM, f"Expected a boundary in the Content-Type of the form. {advice}")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(problems.WRONG_TYPE, "Expected a body without Content-Encoding. Send the picture as it is.")
    return kind


async def _check_announced(request: Request, limit: int, limits: Limits) -> None:
    announced = request.headers.get("content-length", "")
    if not announced.isdecimal() or int(announced) <= limit:
        return
    if "expect" not in request.headers:
        # Many clients read no answer before they have sent everything: take a bounded rest of it and throw it away,
        # or they would report a broken connection instead of our explanation.
        await _discard(request.receive, 4 * limits.max_bytes)
    raise _too_large(limits.max_bytes, int(announced))


async def _discard(receive: Receive, most: int) -> None:
    try:
        async with asyncio.timeout(5):
            while most > 0:
                message = await receive()
                most -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _counted(receive: Receive, limit: int, shown: int) -> Receive:
    """`receive`, refusing as soon as more than `limit` bytes came: a body without a length cannot fill the memory."""
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > limit:
            if message.get("more_body", False):
                await _discard(receive, 4 * limit)  # a client that is still sending would not read the answer
            raise _too_large(shown)
        return message

    return counted


async def _from_form(request: Request) -> bytes:
    async with request.form(max_files=1, max_fields=8) as form:
        field = form.get("image")
        if isinstance(field, UploadFile):
            return await field.read()
        fields = ", ".join(sorted(map(repr, form))) or "none"
        detail = f"Expected a file in the form field 'image'. Received: fields {fields}"
        detail += ", of which 'image' is text and not a file." if field is not None else "."
        raise Refusal(problems.NO_PICTURE, detail)


def _too_large(limit: int, announced: int | None = None) -> Refusal:
    received = f"{announced:,} bytes" if announced is not None else "more"
    detail = f"Expected at most {limit:,} bytes. Received: {received}. {problems.TOO_LARGE.advice}"
    return Refusal(problems.TOO_LARGE, detail, {"Connection": "close"})
