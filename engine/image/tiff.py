"""TIFF files: their metadata, and a check that the pixel data are whole."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import simplejpeg

from engine.image.metadata import DamagedFile, PictureParts

SIGNATURES = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
ORIENTATION, COMPRESSION, JPEG_TABLES = 0x0112, 259, 347
DATA_TAGS = ((273, 279), (324, 325))  # offsets and byte counts of the strips, of the tiles
# XMP, IPTC, Photoshop resources, EXIF, GPS, image source data, interoperability.
METADATA_TAGS = frozenset({ORIENTATION, 700, 33723, 34377, 34665, 34853, 37724, 40965})
UNUSED_TAG = 65_000
INTEGER_TYPES = {3: "H", 4: "I", 16: "Q"}
TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 16: 8}
JPEG, DEFLATE = 7, frozenset({8, 32946})
MAX_VALUES = 1_000_000


@dataclass(frozen=True)
class _Entry:
    """One entry of a directory: position of the entry and of its values in the file, data type and value count."""

    position: int
    data: int
    kind: int
    count: int


@dataclass(frozen=True)
class _Layout:
    """Byte order and field sizes: BigTIFF (version 43) has 8-byte offsets."""

    order: str
    is_big: bool

    @classmethod
    def of(cls, content: bytes) -> _Layout:
        return cls("<" if content[:2] == b"II" else ">", b"+" in content[2:4])

    def first_directory(self, content: bytes) -> dict[int, _Entry]:
        """Return the entries of the first directory by tag. Raises struct.error if it is cut short."""
        (start,) = struct.unpack_from(self.order + ("Q" if self.is_big else "I"), content, 8 if self.is_big else 4)
        (count,) = struct.unpack_from(self.order + ("Q" if self.is_big else "H"), content, start)
        start += 8 if self.is_big else 2
        return dict(self._entries(content, start, min(count, 65_535)))

    def _entries(self, content: bytes, start: int, entries: int) -> Iterator[tuple[int, _Entry]]:
        width, inline, word = (20, 8, "Q") if self.is_big else (12, 4, "I")
        for position in range(start, start + entries * width, width):
            tag, kind, count = struct.unpack_from(f"{self.order}HH{word}", content, position)
            data = position + width - inline
            if TYPE_BYTES.get(kind, 8) * count > inline:
                (data,) = struct.unpack_from(self.order + word, content, data)
            yield tag, _Entry(position, data, kind, count)


def split(content: bytes) -> PictureParts:
    """Take the orientation and rename the metadata entries, so that a reader ignores them.

    The color profile stays, as Pillow reads it. Raises DamagedFile if pixel data are missing or, if deflate or JPEG
    compressed, inconsistent.
    """
    layout = _Layout.of(content)
    try:
        directory = layout.first_directory(content)
        _require_whole_data(content, layout, directory)
        orientation = _values(content, layout, directory[ORIENTATION])[:1] if ORIENTATION in directory else []
    except (struct.error, zlib.error, OverflowError) as error:
        raise DamagedFile("the directory or the pixels are damaged") from error
    renamed = bytearray(content)
    for tag in METADATA_TAGS & set(directory):
        struct.pack_into(layout.order + "H", renamed, directory[tag].position, UNUSED_TAG)
    turn = orientation[0] if orientation and orientation[0] in range(1, 9) else 1
    return PictureParts(bytes(renamed), turn)


def _values(content: bytes, layout: _Layout, entry: _Entry) -> list[int]:
    """Return the values of an entry of integers; empty for other types."""
    if entry.kind not in INTEGER_TYPES or entry.count > MAX_VALUES:
        return []
    return list(struct.unpack_from(f"{layout.order}{entry.count}{INTEGER_TYPES[entry.kind]}", content, entry.data))


def _require_whole_data(content: bytes, layout: _Layout, directory: Mapping[int, _Entry]) -> None:
    compression = _values(content, layout, directory[COMPRESSION])[:1] if COMPRESSION in directory else []
    for offsets_tag, sizes_tag in DATA_TAGS:
        if offsets_tag not in directory or sizes_tag not in directory:
            continue
        offsets = _values(content, layout, directory[offsets_tag])
        for offset, size in zip(offsets, _values(content, layout, directory[sizes_tag]), strict=False):
            if offset + size > len(content):
                raise DamagedFile("pixel data are cut short")
            if compression and compression[0] in DEFLATE:
                _require_whole_deflate(content[offset : offset + size])
            elif compression == [JPEG]:
                tables = directory.get(JPEG_TABLES)
                prefix = content[tables.data : tables.data + tables.count] if tables else b""
                _require_whole_jpeg(prefix, content[offset : offset + size])


def _require_whole_deflate(data: bytes) -> None:
    """Check the checksum of a strip without keeping its pixels."""
    inflater = zlib.decompressobj()
    while data and not inflater.eof:
        inflater.decompress(data, 1 << 20)
        data = inflater.unconsumed_tail
    if not inflater.eof:
        raise DamagedFile("pixel data are cut short")


def _require_whole_jpeg(tables: bytes, data: bytes) -> None:
    """Decode a strip whose tables may be stored once for all strips; raises DamagedFile."""
    whole = tables[:-2] + data[2:] if tables else data
    try:
        simplejpeg.decode_jpeg(whole, "GRAY")
    except ValueError as error:
        raise DamagedFile("JPEG data are damaged") from error
