"""Files with incomplete pixels are refused; metadata, however damaged, do not stop whole pixels from being read."""

import io
import os
import re
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from engine.image.read import BadPicture, picture_size, read_picture, read_reduced

DAMAGED = r"^card\.\w+: is damaged or cut short; copy or export it again$"
END = b"\xff\xd9"


def noise(height=96, width=80):
    coarse = np.random.default_rng(4).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encoded(kind, **options):
    file = io.BytesIO()
    Image.fromarray(noise()).save(file, kind, **options)
    return file.getvalue()


def written(tmp_path, content, suffix="jpg"):
    path = tmp_path / f"card.{suffix}"
    path.write_bytes(content)
    return path


JPEGS = {
    "baseline": {"quality": 90},
    "with restart markers": {"quality": 90, "restart_marker_rows": 1},
    "progressive": {"quality": 90, "progressive": True},
}


def without_end(content):
    return content[: content.rindex(END)]


def cut(content):
    return content[: len(content) * 3 // 4] + END


def wiped_to_the_end(content):
    start = len(content) * 3 // 4
    return content[:start] + bytes(len(content) - 2 - start) + END


def garbled(content):
    start = len(content) // 2
    return content[:start] + np.random.default_rng(0).bytes(200).replace(b"\xff", b"\xfe") + content[start + 200 :]


@pytest.mark.parametrize("damage", [without_end, cut, wiped_to_the_end, garbled])
@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_with_missing_data_is_refused_although_its_end_marker_stands(tmp_path, capfd, kind, damage):
    content = encoded("JPEG", **JPEGS[kind])
    assert np.abs(read_picture(written(tmp_path, content)).astype(int) - noise()).mean() < 10
    with pytest.raises(BadPicture, match=DAMAGED):
        read_picture(written(tmp_path, damage(content)))
    with pytest.raises(BadPicture, match=DAMAGED):
        read_reduced(written(tmp_path, damage(content)), max_reduction=2)
    assert capfd.readouterr() == ("", ""), "the decoder writes nothing to the terminal"


@pytest.mark.parametrize("scan", [1, 3, 6, 9])
def test_a_progressive_jpeg_that_ends_between_two_scans_is_refused(tmp_path, scan):
    content = encoded("JPEG", **JPEGS["progressive"])
    scans = [match.start() for match in re.finditer(b"\xff\xda", content)]
    assert len(scans) == 10
    tables = content.rindex(b"\xff\xc4", 0, scans[scan])
    with pytest.raises(BadPicture, match=DAMAGED):
        read_picture(written(tmp_path, content[:tables] + END))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_gray_or_cmyk_jpeg_with_missing_data_is_refused(tmp_path, mode):
    file = io.BytesIO()
    Image.fromarray(noise()).convert(mode).save(file, "JPEG")
    assert read_picture(written(tmp_path, file.getvalue())).shape == (96, 80, 3)
    with pytest.raises(BadPicture, match=DAMAGED):
        read_picture(written(tmp_path, cut(file.getvalue())))


def test_a_jpeg_of_thousands_of_scans_is_refused_at_once(tmp_path):
    content = encoded("JPEG", **JPEGS["progressive"])
    last = content.rindex(b"\xff\xda")
    bomb = without_end(content) + 5000 * without_end(content)[last:] + END
    with pytest.raises(BadPicture, match=DAMAGED):
        read_picture(written(tmp_path, bomb))


# --- metadata


def exif(entry):
    return b"Exif\x00\x00II*\x00" + struct.pack("<IH", 8, 1) + entry + bytes(4)


BROKEN_EXIF = {
    "no directory": b"Exif\x00\x00II*\x00",
    "no TIFF": b"Exif\x00\x00" + bytes(range(40)),
    "an endless directory": b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff" + bytes(30),
    "orientation infinity": exif(struct.pack("<HHIf", 0x0112, 11, 1, float("inf"))),
    "orientation a ratio of zeros": exif(struct.pack("<HHII", 0x0112, 5, 1, 0)),
    "orientation 60000": exif(struct.pack("<HHII", 0x0112, 3, 1, 60000)),
}


@pytest.mark.parametrize("damage", BROKEN_EXIF)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_data_stop_no_picture_from_being_read(tmp_path, recwarn, kind, damage):
    path = written(tmp_path, encoded(kind, exif=BROKEN_EXIF[damage]), kind.lower())
    assert read_picture(path).shape == (96, 80, 3)
    assert picture_size(path) == (96, 80)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF"])
def test_a_broken_color_profile_stops_no_picture_from_being_read(tmp_path, kind):
    read_picture(written(tmp_path, encoded("PNG"), "png"))  # registers HEIF
    without = read_picture(written(tmp_path, encoded(kind), kind.lower()))
    with_profile = read_picture(written(tmp_path, encoded(kind, icc_profile=b"no profile" * 30), kind.lower()))
    np.testing.assert_array_equal(with_profile, without)


def test_warnings_of_common_cameras_are_no_damage(tmp_path):
    content = encoded("JPEG", quality=90)
    whole = read_picture(written(tmp_path, content))
    scan = content.index(b"\xff\xda")
    length = int.from_bytes(content[scan + 2 : scan + 4], "big")
    wrong_parameters = content[: scan + length - 1] + b"\x00\x00\x00" + content[scan + length + 2 :]
    adobe = content[:2] + b"\xff\xee\x00\x0eAdobe\x00d\x00\x00\x00\x00\x07" + content[2:]
    padded = content[:20] + bytes(7) + content[20:]
    for variant in (wrong_parameters, adobe, padded, content + b"a video"):
        np.testing.assert_array_equal(read_picture(written(tmp_path, variant)), whole)


@pytest.mark.parametrize("kind", ["TIFF", "JPEG", "PNG", "WEBP"])
def test_the_size_in_the_header_is_that_of_the_upright_picture(tmp_path, kind):
    orientation = Image.Exif()
    orientation[0x0112] = 6
    path = written(tmp_path, encoded(kind, exif=orientation), kind.lower())
    assert picture_size(path) == read_picture(path).shape[:2] == (80, 96)


# --- PNG


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(rows, *extra, checksum_error=0):
    height, width = noise().shape[:2]
    data = bytearray(chunk(b"IDAT", zlib.compress(rows)))
    data[-1] ^= checksum_error
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + bytes(data) + chunk(b"IEND", b"")


ROWS = b"".join(b"\x00" + row.tobytes() for row in noise())


def test_a_png_whose_rows_or_checksum_are_wrong_is_refused(tmp_path):
    np.testing.assert_array_equal(read_picture(written(tmp_path, png(ROWS), "png")), noise())
    for content in (png(ROWS[: len(ROWS) // 2]), png(ROWS, checksum_error=1), png(ROWS)[:-3]):
        with pytest.raises(BadPicture, match=DAMAGED):
            read_picture(written(tmp_path, content, "png"))


def test_a_png_that_ends_in_black_rows_is_read(tmp_path):
    black = noise().copy()
    black[48:] = 0
    path = tmp_path / "card.png"
    Image.fromarray(black).save(path)
    np.testing.assert_array_equal(read_picture(path), black)


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"zTXt", b"note\x00\x00no deflate"),
        chunk(b"zTXt", b"note\x00\x00" + zlib.compress(bytes(90_000_000))),
        chunk(b"tEXt", b"note\x00text")[:-1] + b"\x00",
        chunk(b"iCCP", b"name\x00\x00no deflate"),
    ],
    ids=["broken text", "text of 90 MB", "wrong checksum of a text", "broken profile"],
)
def test_broken_chunks_of_a_png_stop_no_picture_from_being_read(tmp_path, extra):
    np.testing.assert_array_equal(read_picture(written(tmp_path, png(ROWS, extra), "png")), noise())


# --- TIFF and HEIC


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate", "jpeg"])
def test_a_tiff_whose_pixel_data_are_cut_short_is_refused(tmp_path, compression):
    content = encoded("TIFF", compression=compression)
    assert read_picture(written(tmp_path, content, "tif")).shape == (96, 80, 3)
    for kept in (0.4, 0.7, 0.95):
        with pytest.raises(BadPicture, match=r"^card\.tif"):
            read_picture(written(tmp_path, content[: int(len(content) * kept)], "tif"))


@pytest.mark.parametrize("compression", ["tiff_deflate", "jpeg"])
def test_a_tiff_with_wiped_data_is_refused_where_the_compression_tells(tmp_path, compression):
    content = encoded("TIFF", compression=compression)
    with Image.open(io.BytesIO(content)) as picture:
        start = picture.tag_v2[273][0]
    wiped = content[: start + 900] + bytes(400) + content[start + 1300 :]
    with pytest.raises(BadPicture, match=DAMAGED):
        read_picture(written(tmp_path, wiped, "tif"))


@pytest.mark.parametrize("filler", [b"\x00", b"\xff"])
@pytest.mark.parametrize("start", [0.3, 0.7])
def test_a_heic_whose_pixels_were_wiped_is_refused(tmp_path, filler, start):
    file = io.BytesIO()
    large = Image.fromarray(noise(480, 400))
    pillow_heif.from_pillow(large).save(file, quality=90, chroma=444, exif=b"Exif\x00\x00" + bytes(3000))
    content = file.getvalue()
    whole = read_picture(written(tmp_path, content, "heic")).astype(int)
    assert np.abs(whole - np.asarray(large)).mean() < 10, "zeros in its metadata do not matter"
    position = int(len(content) * start)
    wiped = content[:position] + 600 * filler + content[position + 600 :]
    with pytest.raises(BadPicture, match=DAMAGED):
        read_picture(written(tmp_path, wiped, "heic"))


def test_a_heic_of_one_color_is_read_although_its_data_are_all_alike(tmp_path):
    flat = Image.new("RGB", (2000, 2000), "white")
    pillow_heif.from_pillow(flat).save(file := io.BytesIO(), quality=-1)
    assert read_picture(written(tmp_path, file.getvalue(), "heic")).min() >= 254


def test_a_heic_without_an_index_that_can_be_read_is_left_to_the_decoder(tmp_path):
    pillow_heif.from_pillow(Image.fromarray(noise())).save(file := io.BytesIO())
    for name in (b"iloc", b"iinf", b"meta"):
        with pytest.raises(BadPicture):
            read_picture(written(tmp_path, file.getvalue().replace(name, b"zzzz"), "heic"))


def test_a_tiff_of_two_pages_is_refused_with_their_number_and_one_with_a_small_copy_is_read(tmp_path):
    page = Image.fromarray(noise())
    path = tmp_path / "both.tif"
    page.save(path, save_all=True, append_images=[page.rotate(180)])
    with pytest.raises(BadPicture, match=r"^both\.tif: holds 2 pages; save the front and the back as a picture each$"):
        read_picture(path)
    page.save(path, save_all=True, append_images=[page.resize((20, 24))])
    np.testing.assert_array_equal(read_picture(path), noise())


# --- files that are no files, and shapes that are no pictures


def test_a_pipe_a_device_and_a_huge_file_are_refused_without_opening_them(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(5_000_000_000)
    for name in ("pipe.jpg", "device.jpg"):
        with pytest.raises(
            BadPicture, match=rf"^{name}: is a pipe or a device, not a file; save the picture in a file$"
        ):
            read_picture(tmp_path / name)
    with pytest.raises(BadPicture, match=r"^huge\.jpg: is larger than 320 MB"):
        read_picture(tmp_path / "huge.jpg")


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (3, 100)])
def test_a_strip_is_refused_in_one_line(tmp_path, size):
    path = tmp_path / "strip.png"
    Image.new("RGB", size).save(path)
    with pytest.raises(BadPicture, match=rf"^strip\.png: is a strip of {size[0]} x {size[1]} pixels; give a picture"):
        read_picture(path)
