"""HEIC files: a check that the compressed pixels were not wiped.

libheif decodes wiped data without an error, to wrong pixels. HEVC data never have three zero bytes in a row, because an
encoder puts a 3 before the third (emulation prevention, ITU-T H.265, 7.4.2), so a run of zeros is no picture.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from engine.image.metadata import DamagedFile

BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
HEVC_ITEMS = frozenset({b"hvc1", b"hev1"})
# A disk writes whole sectors. Zeros of the length in front of a piece of data do not count, nor does padding in it.
WIPED = re.compile(rb"\x00{16}|\xff{512}")
FILE_OFFSETS = 0  # construction method of an item whose data are at a position in the file


def is_heif(content: bytes) -> bool:
    """True if a file begins as a HEIC file does."""
    return content[4:8] == b"ftyp" and content[8:12] in BRANDS


def require_whole_data(content: bytes) -> None:
    """Raise DamagedFile if compressed pixels were wiped or lie beyond the end of the file.

    A file without a readable index of its pictures is left to the decoder.
    """
    try:
        boxes = dict(_boxes(content, 0, len(content)))
        start, end = boxes[b"meta"]
        parts = dict(_boxes(content, start + 4, end))
        kinds = dict(_item_kinds(content, *parts[b"iinf"]))
        extents = list(_extents(content, *parts[b"iloc"]))
    except (KeyError, struct.error, IndexError):
        return
    for item, offset, length in extents:
        if kinds.get(item) not in HEVC_ITEMS:
            continue
        if offset + length > len(content):
            raise DamagedFile("pixel data are cut short")
        if WIPED.search(content, offset, offset + length):
            raise DamagedFile("pixel data were wiped")


def _boxes(content: bytes, start: int, end: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield the name, and start and end of the body, of each box."""
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", content, start)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", content, start + 8)
            header = 16
        stop = end if size == 0 else start + size
        if stop < start + header or stop > end:
            return
        yield name, (start + header, stop)
        start = stop


def _item_kinds(content: bytes, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the kind of each item, of an `iinf` box."""
    first = start + (6 if content[start] == 0 else 8)
    for _, (entry, _) in _boxes(content, first, end):
        if content[entry] >= 2:
            number_bytes = 2 if content[entry] == 2 else 4
            number = int.from_bytes(content[entry + 4 : entry + 4 + number_bytes], "big")
            kind_at = entry + 4 + number_bytes + 2
            yield number, content[kind_at : kind_at + 4]


def _extents(content: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the item, offset and length of each piece of data in the file, of an `iloc` box."""
    version = content[start]
    sizes = struct.unpack_from(">H", content, start + 4)[0]
    offset_bytes, length_bytes, base_bytes, index_bytes = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    number_bytes = 4 if version == 2 else 2
    position = start + 6

    def read(count: int) -> int:
        nonlocal position
        if position + count > end:
            raise IndexError("beyond the box")
        value = int.from_bytes(content[position : position + count], "big")
        position += count
        return value

    for _ in range(read(number_bytes)):
        item = read(number_bytes)
        method = read(2) & 15 if version in {1, 2} else FILE_OFFSETS
        read(2)  # the file that has the data: this one
        base = read(base_bytes)
        for _ in range(read(2)):
            if version in {1, 2}:
                read(index_bytes)
            offset, length = base + read(offset_bytes), read(length_bytes)
            if method == FILE_OFFSETS:
                yield item, offset, length
