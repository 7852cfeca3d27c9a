"""Reading a request's body: of one kind, never longer than allowed, unpacked as it arrives."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from territory_engine.app.service.errors import ServiceError
from territory_engine.app.service.settings import ServiceSettings

if TYPE_CHECKING:
    from starlette.requests import Request

_GZIP = 16 + zlib.MAX_WBITS


async def read_body(request: Request, settings: ServiceSettings) -> bytes:
    """Return the body, unpacked.

    Raises
    ------
    ServiceError
        415 (not JSON, or packed in an unknown way), 413 (too long, packed or unpacked), 408 (too slow), 400 (broken).
    """
    _check_type(request)
    packed = _is_packed(request)
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > settings.max_body_bytes:
        raise _too_long(settings)
    inflater = _Inflater(settings) if packed else None
    received = bytearray()
    length = 0
    try:
        async with asyncio.timeout(settings.body_seconds):
            async for chunk in request.stream():
                length += len(chunk)
                if length > settings.max_body_bytes:
                    raise _too_long(settings)
                received += chunk if inflater is None else inflater.unpack(chunk, len(received))
    except TimeoutError:
        raise ServiceError(
            408,
            "too_slow",
            f"The body did not arrive within {settings.body_seconds:g} s. Remedy: send a smaller batch, or compress it.",
            headers={"Connection": "close"},
        ) from None
    except ClientDisconnect:
        raise ServiceError(400, "disconnected", "The client went away before its request was complete.") from None
    if inflater is not None and not inflater.complete:
        raise _broken()
    return bytes(received)


def _check_type(request: Request) -> None:
    kind, *parameters = (part.strip().lower() for part in request.headers.get("content-type", "").split(";"))
    charset = next((p.partition("=")[2].strip('" ') for p in parameters if p.startswith("charset=")), "utf-8")
    if kind != "application/json" or charset not in ("utf-8", "utf8", "us-ascii"):
        raise ServiceError(
            415,
            "unsupported_media_type",
            "The body must be application/json in UTF-8. Remedy: send the header Content-Type: application/json.",
            headers={"Accept": "application/json"},
        )


def _is_packed(request: Request) -> bool:
    packing = request.headers.get("content-encoding", "identity").strip().lower()
    if packing not in ("identity", "", "gzip"):
        raise ServiceError(
            415,
            "unsupported_encoding",
            "The body is packed in a way that is not known. Remedy: send it as it is, or with Content-Encoding: gzip.",
            headers={"Accept-Encoding": "gzip, identity"},
        )
    return packing == "gzip"


class _Inflater:
    """Unpacks gzip up to the limit and not a byte further, so that a small body cannot fill the memory."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._inflater = zlib.decompressobj(_GZIP)

    def unpack(self, chunk: bytes, already: int) -> bytes:
        """Return what the chunk adds."""
        room = self._settings.max_body_bytes - already
        try:
            out = self._inflater.decompress(chunk, room + 1)
        except zlib.error:
            raise _broken() from None
        if len(out) > room:
            raise _too_long(self._settings)
        if self._inflater.unused_data:
            raise _broken()
        return out

    @property
    def complete(self) -> bool:
        """Whether the end of the packed data has been seen."""
        return self._inflater.eof


def _broken() -> ServiceError:
    return ServiceError(
        400, "broken_compression", "The body is not one complete gzip stream. Remedy: send it again, or as it is."
    )


def _too_long(settings: ServiceSettings) -> ServiceError:
    return ServiceError(
        413,
        "too_large",
        f"The body is longer than {settings.max_body_mb} MiB (unpacked, if it was packed). Nothing was written."
        " Remedy: send several batches, each with its own batch_id.",
        headers={"Connection": "close"},
    )
