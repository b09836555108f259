"""Reading of every supported format: pixels against those written, and one clear sentence for unreadable files."""

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from engine.image.read import BadPicture, picture_size, read_picture, read_reduced

SMOOTH = {"PNG": 0, "BMP": 0, "TIFF": 0, "WEBP": 8, "JPEG": 8}


def gradient(height=60, width=40):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 6, y * 4, 255 - x * 3 - y], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("kind", SMOOTH)
def test_a_color_picture_is_read_back_unchanged(tmp_path, kind):
    path = tmp_path / f"card.{kind.lower()}"
    Image.fromarray(gradient()).save(path, quality=95)
    rgb = read_picture(path)
    assert rgb.dtype == np.uint8
    assert np.abs(rgb.astype(int) - gradient()).max() <= SMOOTH[kind]


def test_a_heic_picture_is_read(tmp_path):
    path = tmp_path / "card.heic"
    pillow_heif.from_pillow(Image.fromarray(gradient(64, 64))).save(path, quality=95)
    assert np.abs(read_picture(path).astype(int) - gradient(64, 64)).mean() < 5


# Each EXIF orientation as a NumPy operation on the stored pixels.
UPRIGHT = {
    1: lambda p: p,
    2: np.fliplr,
    3: lambda p: np.rot90(p, 2),
    4: np.flipud,
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: np.rot90(p, 2).transpose(1, 0, 2),
    8: np.rot90,
}


@pytest.mark.parametrize("kind", ["png", "jpg"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_every_exif_orientation_comes_out_upright(tmp_path, orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned.{kind}"
    Image.fromarray(gradient()).save(path, exif=exif, quality=95)
    upright = UPRIGHT[orientation](gradient())
    assert np.abs(read_picture(path).astype(int) - upright).max() <= SMOOTH["JPEG" if kind == "jpg" else "PNG"]
    assert picture_size(path) == upright.shape[:2]


def test_a_jpeg_is_decoded_as_by_pillow(tmp_path):
    path = tmp_path / "noise.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (75, 53, 3), dtype=np.uint8)).save(path, quality=80)
    np.testing.assert_array_equal(read_picture(path), np.asarray(Image.open(path)))


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_reduced_jpeg_is_the_average_of_its_pixels_to_45_decibels_and_still_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    full = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (800, 600, 3), dtype=np.uint8), (0, 0), 3)
    path = tmp_path / "photo.jpg"
    Image.fromarray(full).save(path, quality=92, exif=exif)
    reduced, reduction = read_reduced(path, max_reduction=3.9)
    assert reduction == 2
    averaged = cv2.resize(read_picture(path), reduced.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert min(reduced.shape[:2]) == 300
    assert cv2.PSNR(reduced, averaged) > 45


def test_only_a_jpeg_is_reduced(tmp_path):
    path = tmp_path / "card.png"
    Image.fromarray(gradient()).save(path)
    rgb, reduction = read_reduced(path, max_reduction=4)
    assert reduction == 1
    np.testing.assert_array_equal(rgb, gradient())


def test_a_jpeg_with_bytes_after_its_end_is_read(tmp_path):
    path = tmp_path / "trailed.jpg"
    Image.fromarray(gradient()).save(path)
    path.write_bytes(path.read_bytes() + b"a maker's note")
    assert read_picture(path).shape == (60, 40, 3)


def test_a_jpeg_cut_short_behind_a_whole_thumbnail_is_refused(tmp_path):
    thumbnail = io.BytesIO()
    Image.fromarray(gradient(16, 16)).save(thumbnail, "JPEG")
    path = tmp_path / "cut.jpg"
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8))
    noise.save(path, comment=thumbnail.getvalue())
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(BadPicture, match="cut short"):
        read_picture(path)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_of_gray_are_rounded_to_eight(tmp_path, suffix):
    values = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    path = tmp_path / f"deep.{suffix}"
    cv2.imwrite(str(path), values)
    np.testing.assert_array_equal(read_picture(path), np.repeat(np.rint(values / 257)[..., None], 3, axis=2))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_of_color_are_read_to_within_a_level(tmp_path, suffix):
    values = np.random.default_rng(0).integers(0, 65536, (16, 16, 3), dtype=np.uint16)
    path = tmp_path / f"deep.{suffix}"
    cv2.imwrite(str(path), values[..., ::-1])
    assert np.abs(read_picture(path) - values / 257).max() <= 1


def test_gray_becomes_three_equal_channels(tmp_path):
    path = tmp_path / "grey.png"
    Image.fromarray(gradient()[..., 0]).save(path)
    np.testing.assert_array_equal(read_picture(path), np.repeat(gradient()[..., :1], 3, axis=2))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_become_white(tmp_path, mode):
    picture = Image.new(mode, (4, 4), (10, 20, 30, 0) if mode == "RGBA" else (10, 0))
    path = tmp_path / "clear.png"
    picture.save(path)
    assert (read_picture(path) == 255).all()


def test_a_palette_s_transparent_color_becomes_white(tmp_path):
    picture = Image.new("P", (4, 4), 0)
    picture.putpalette([10, 20, 30, 200, 0, 0])
    picture.putpixel((0, 0), 1)
    path = tmp_path / "palette.png"
    picture.save(path, transparency=0)
    rgb = read_picture(path)
    assert (rgb[0, 0] == (200, 0, 0)).all()
    assert (rgb[1:] == 255).all()


def test_cmyk_without_ink_is_white_and_full_black_is_black(tmp_path):
    path = tmp_path / "ink.jpg"
    for ink, light in (((0, 0, 0, 0), 255), ((0, 0, 0, 255), 0)):
        Image.new("CMYK", (16, 16), ink).save(path, quality=95)
        assert np.abs(read_picture(path).astype(int) - light).max() <= 2


def test_a_picture_with_the_wrong_extension_is_read_by_its_content(tmp_path):
    path = tmp_path / "really_a_png.jpg"
    Image.fromarray(gradient()).save(path, format="PNG")
    np.testing.assert_array_equal(read_picture(path), gradient())


@pytest.mark.parametrize("content", [b"", b"these are words", b"%PDF-1.7", b"<svg></svg>", b"GIF89a" + bytes(40)])
def test_a_file_that_is_no_picture_is_refused_with_its_name_and_the_remedy(tmp_path, content):
    path = tmp_path / "card.jpg"
    path.write_bytes(content)
    with pytest.raises(BadPicture, match=r"^card\.jpg: is not a picture.*; use JPEG"):
        read_picture(path)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "JPEG", "HEIF"])
@pytest.mark.parametrize("fraction", [0.3, 0.6, 0.95])
def test_a_file_that_was_cut_short_is_refused_with_its_name(tmp_path, kind, fraction):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8))
    path = tmp_path / f"cut.{kind.lower()}"
    if kind == "HEIF":
        pillow_heif.from_pillow(noise).save(path)
    else:
        noise.save(path, format=kind)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * fraction)])
    with pytest.raises(BadPicture, match=r"^cut\."):
        read_picture(path)


def png_that_claims(width, height):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(10_001, 10_000), (100_000, 100_000)])
def test_a_picture_of_over_100_megapixels_is_refused_before_it_is_decoded(tmp_path, width, height):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_that_claims(width, height))
    with pytest.raises(BadPicture, match=r"^bomb\.png: .*100 megapixels; scale it down"):
        read_picture(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(BadPicture, match=r"^absent\.png: there is no such file"):
        read_picture(tmp_path / "absent.png")
    with pytest.raises(BadPicture, match="is a folder"):
        read_picture(tmp_path)


def test_an_error_of_the_file_system_is_no_damage_of_the_picture(tmp_path):
    loop, file = tmp_path / "loop.jpg", tmp_path / "file"
    loop.symlink_to(loop)
    file.write_bytes(b"")
    for path, reason in ((loop, "symbolic links"), (file / "a.jpg", "Not a directory")):
        with pytest.raises(BadPicture, match=rf"{path.name}: cannot be read \(.*{reason}\); check the path"):
            read_picture(path)


def test_many_threads_may_read_at_once_and_no_warning_filter_is_left_behind(tmp_path):
    path = tmp_path / "card.png"
    Image.fromarray(gradient()).save(path)
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as threads:
        pictures = list(threads.map(lambda _: read_picture(path), range(64)))
    assert all((picture == gradient()).all() for picture in pictures)
    assert warnings.filters == before
