"""Take an answer out of its HTTP framing (RFC 9112), or raise Failure: pure functions of bytes."""

import re
import zlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate

MAX_HEAD_BYTES = 2**16
MAX_BYTES = 32 * 2**20
TOO_LARGE = f"the server sent more than {MAX_BYTES >> 20} MB"
CHUNKED, UNTIL_CLOSED = -1, 0
_STATUS = re.compile(r"HTTP/1\.[01] (\d{3})")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;.*)?")


class Failure(Exception):
    """Say why a request counts as failed, in words for the record."""


@dataclass
class Packets:
    """Hold the pieces in which bytes arrived, and when: seconds since just before the request."""

    times_s: list[float] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)

    def __bytes__(self) -> bytes:
        return b"".join(self.pieces)


@dataclass(frozen=True)
class Head:
    """Describe the start of an answer; header names are in lower case.

    `body` is the offset of the body, `length` that of the end, CHUNKED or UNTIL_CLOSED.
    """

    status: int
    headers: Mapping[str, str]
    body: int
    length: int


def parse_head(blob: bytes) -> Head | None:
    """Return the head once it is complete, else None; interim answers (1xx) are passed over."""
    start = 0
    while (end := blob.find(b"\r\n\r\n", start)) >= 0 and end - start <= MAX_HEAD_BYTES:
        first, *lines = blob[start:end].decode("latin-1").split("\r\n")
        match = _STATUS.match(first)
        if not match:
            raise Failure("what answers there does not speak HTTP")
        start = end + 4
        if match[1][0] != "1":
            pairs = (line.partition(":") for line in lines)
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            return Head(int(match[1]), headers, start, _length(headers, start))
    if len(blob) - start > MAX_HEAD_BYTES:
        raise Failure(f"the head of the answer is longer than {MAX_HEAD_BYTES >> 10} KB")
    return None


def _length(headers: Mapping[str, str], body: int) -> int:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return CHUNKED
    size = headers.get("content-length", "")
    return body + int(size) if re.fullmatch(r"[0-9]{1,18}", size, re.ASCII) else UNTIL_CLOSED


def unpack(raw: Packets, head: Head) -> tuple[Packets, bool]:
    """Return the body of a recorded answer in its arrival pieces, and whether it is complete."""
    blob = bytes(raw)
    if head.length == CHUNKED:
        spans, complete = dechunk(blob, head.body)
    else:
        end = head.length or len(blob)  # what comes after Content-Length is not of this answer
        spans, complete = [(head.body, min(end, len(blob)))], len(blob) >= end
    return _cut(raw, blob, spans), complete


def decompress(body: Packets, encoding: str) -> Packets:
    """Return the bytes of an answer compressed unasked. Raises Failure where that cannot be."""
    start = bytes(body)[:3]
    names = {name.strip().lower() for name in encoding.split(",")} - {"", "identity"}
    if not names and not start.startswith(b"\x1f\x8b"):  # gzip shows itself
        return body
    if not names <= {"gzip", "x-gzip", "deflate"}:
        raise Failure(f"the answer is compressed ({encoding}), although that was not asked for")
    if start.startswith((b"dat", b'{"', b"eve", b": ")):  # it only says so
        return body
    # `deflate` with the header of zlib has a checksum in its first two bytes; some leave it out.
    bare = "deflate" in names and start[:2] != b"\x1f\x8b" and int.from_bytes(start[:2]) % 31
    bits, plain, size = -15 if bare else 47, Packets(), 0
    decoder = zlib.decompressobj(bits)
    for arrived_s, piece in zip(body.times_s, body.pieces, strict=True):
        while piece:
            try:
                part = decoder.decompress(piece, MAX_BYTES - size + 1)
            except zlib.error as error:
                raise Failure(f"the compressed answer is damaged: {error}") from None
            size += len(part)
            if size > MAX_BYTES:
                raise Failure(TOO_LARGE)
            plain.times_s.append(arrived_s)
            plain.pieces.append(part)
            piece = decoder.unused_data  # each flush may begin anew
            if decoder.eof:
                decoder = zlib.decompressobj(bits)
    return plain


def dechunk(blob: bytes, offset: int) -> tuple[list[tuple[int, int]], bool]:
    """Return the byte ranges of a chunked body's data, and whether its end is there."""
    spans: list[tuple[int, int]] = []
    while (line_end := blob.find(b"\r\n", offset)) >= 0:
        match = _CHUNK_SIZE.fullmatch(blob[offset:line_end])
        if not match:
            return spans, False
        size = int(match[1], 16)
        if size == 0:
            return spans, True
        start = line_end + 2
        spans.append((start, min(start + size, len(blob))))
        offset = start + size + 2
    return spans, False


def _cut(raw: Packets, blob: bytes, spans: list[tuple[int, int]]) -> Packets:
    """Return the bytes of `spans`, in pieces that each arrived at one moment."""
    ends, body = list(accumulate(map(len, raw.pieces))), Packets()
    for start, end in spans:
        while start < end:
            packet = bisect_right(ends, start)
            stop = min(end, ends[packet])
            body.times_s.append(raw.times_s[packet])
            body.pieces.append(blob[start:stop])
            start = stop
    return body
