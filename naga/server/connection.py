"""One HTTP connection: its bounded body, its event stream, and what happens when it goes away.

Assumes an ASGI server that reports a closed connection as `http.disconnect` (uvicorn does).
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from naga.server.protocol import MAX_BODY_BYTES, ApiError
from naga.server.stream import Feed

Result = TypeVar("Result")
CLOSED_REQUEST = 499
"""nginx's status for a client that left; the client itself never sees it."""


class EventStream(StreamingResponse):
    """Server-sent events whose engine requests end with it, however it ends."""

    media_type = "text/event-stream"

    def __init__(self, feed: Feed, source: AsyncGenerator[bytes, None]) -> None:
        super().__init__(source, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._feed = feed
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._feed.close()
            await self._source.aclose()


async def read_body(http: Request) -> bytes:
    """The JSON body; ApiError for another content type (400) or too many bytes (413).

    And if the client leaves before it has sent all.
    """
    content_type = http.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        message = f"content-type must be application/json, not {content_type[:100]!r}"
        raise ApiError(status=400, message=message)
    body, size = bytearray(), 0
    try:
        async for piece in http.stream():
            size += len(piece)
            # A client hears the refusal only after it has sent all: read on a while, keep nothing.
            if size > 4 * MAX_BODY_BYTES:
                break
            if size <= MAX_BODY_BYTES:
                body += piece
    except ClientDisconnect:
        raise _left() from None
    if size > MAX_BODY_BYTES:
        message = f"the body is larger than the limit of {MAX_BODY_BYTES} bytes"
        raise ApiError(status=413, message=message)
    return bytes(body)


async def while_connected(http: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, given up when the client disconnects."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(_disconnected(http))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise _left()
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


def _left() -> ApiError:
    return ApiError(status=CLOSED_REQUEST, message="the client closed the connection")


async def _disconnected(http: Request) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass
