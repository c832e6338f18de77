"""Text inside image files: iTXt chunks of PNG, XMP of WebP."""

from __future__ import annotations

import html
import io
import re
import zlib
from pathlib import Path
from typing import BinaryIO

from neatfool.shared.files import MIB

NOTE_LIMIT = 32 * MIB
"""Bytes of a text."""

KEYWORD = b"neatfool"

_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_CHUNKS = 10_000
_PIECE = 512 * 1024
"""Bytes of a text in one chunk: Pillow opens no PNG with more than 1 MiB in one."""

_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:neatfool="urn:neatfool:1"><neatfool:picture>{}</neatfool:picture>'
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
)
_XMP_TEXT = re.compile(rb"<neatfool:picture>([^<]*)</neatfool:picture>")


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    checked = kind + content
    return len(content).to_bytes(4, "big") + checked + zlib.crc32(checked).to_bytes(4, "big")


def png_note(text: str) -> bytes:
    """A text as iTXt chunks, to stand before the first IDAT; one after the other they hold all of it."""
    content = text.encode()
    head = KEYWORD + b"\0\1\0\0\0"  # compressed by zlib; no language, no translated keyword
    pieces = (content[at : at + _PIECE] for at in range(0, len(content), _PIECE))
    return b"".join(png_chunk(b"iTXt", head + zlib.compress(piece, 9)) for piece in pieces)


def xmp_note(text: str) -> bytes:
    """A text as an XMP packet."""
    return _XMP.format(html.escape(text, quote=False)).encode()


def read_note(path: Path) -> str | None:
    """The text in a PNG or WebP file that may come from a stranger; None if there is none. No pixel is decoded.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is neither PNG nor WebP, is damaged, or has a text longer than `NOTE_LIMIT`.
    """
    with path.open("rb") as file:
        start = file.read(12)
        if start[:8] == _PNG:
            file.seek(8)
            return _png_text(file)
        if start[:4] == b"RIFF" and start[8:] == b"WEBP":
            return _webp_text(file)
    raise ValueError("it is neither PNG nor WebP")


def _png_text(file: BinaryIO) -> str | None:
    content = bytearray()
    found = False
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8:
            raise ValueError("it ends in the middle")
        if kind in (b"IDAT", b"IEND"):
            return content.decode() if found else None
        if kind != b"iTXt":
            file.seek(length + 4, io.SEEK_CUR)
            continue
        if length > NOTE_LIMIT:
            raise ValueError("it has a text that is too long")
        chunk, check = file.read(length), file.read(4)
        if zlib.crc32(kind + chunk).to_bytes(4, "big") != check:
            raise ValueError("its text is damaged")
        if chunk.startswith(KEYWORD + b"\0"):
            found = True
            content += _piece(chunk, NOTE_LIMIT - len(content))
    raise ValueError("it has too many chunks")


def _piece(chunk: bytes, room: int) -> bytes:
    """The text of an iTXt chunk, of at most so many bytes."""
    flags, rest = chunk[len(KEYWORD) + 1 : len(KEYWORD) + 3], chunk[len(KEYWORD) + 3 :]
    _language, _, rest = rest.partition(b"\0")
    _keyword, end, text = rest.partition(b"\0")
    if not end or flags not in (b"\0\0", b"\1\0"):
        raise ValueError("its text is damaged")
    if flags == b"\0\0":
        rest = text[room:]
    else:
        try:
            inflate = zlib.decompressobj()
            text = inflate.decompress(text, room + 1)
        except zlib.error as error:
            raise ValueError("its text is damaged") from error
        rest = text[room:]
        if not rest and not inflate.eof:
            raise ValueError("its text is damaged")
    if rest:
        raise ValueError("it has a text that is too long")
    return text


def _webp_text(file: BinaryIO) -> str | None:
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        kind, length = head[:4], int.from_bytes(head[4:], "little")
        if not head:
            return None
        if len(head) < 8:
            raise ValueError("it ends in the middle")
        if kind != b"XMP ":
            file.seek(length + length % 2, io.SEEK_CUR)
            continue
        if length > 2 * NOTE_LIMIT:
            raise ValueError("it has a text that is too long")
        packet = file.read(length)
        if len(packet) < length:
            raise ValueError("it ends in the middle")
        found = _XMP_TEXT.search(packet)
        text = html.unescape(found[1].decode()) if found else None
        if text and len(text) > NOTE_LIMIT:
            raise ValueError("it has a text that is too long")
        return text
    raise ValueError("it has too many chunks")
