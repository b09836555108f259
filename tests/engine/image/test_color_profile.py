"""Pictures with a wide-gamut profile become sRGB, compared with the formulas of the standards."""

import io
import struct
import zlib

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from engine.image.read import read_picture, read_reduced, read_unconverted

# Columns of red, green and blue in XYZ relative to D50, of the standards' profiles.
DISPLAY_P3 = np.array([(0.51512, 0.29198, 0.15710), (0.24120, 0.69225, 0.06657), (-0.00105, 0.04189, 0.78407)])
SRGB = np.array([(0.43607, 0.38515, 0.14307), (0.22249, 0.71687, 0.06061), (0.01392, 0.09708, 0.71410)])
GAMMA = 2.2


def fixed(values):
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def profile(space, tags):
    """Build an ICC profile, version 2, from its tags."""
    table, data, position = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        padded = body + bytes(-len(body) % 4)
        table += name + struct.pack(">II", position + len(data), len(body))
        data += padded
    header = struct.pack(">II", position + len(data), 0) + b"\x02\x40\x00\x00mntr" + space + b"XYZ "
    header = header.ljust(36, b"\x00") + b"acsp" + bytes(28) + fixed((0.9642, 1.0, 0.8249))
    return header.ljust(128, b"\x00") + table + data


def curve(gamma):
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def matrix_profile(columns):
    names = (b"rXYZ", b"gXYZ", b"bXYZ")
    tags = {name: b"XYZ " + bytes(4) + fixed(column) for name, column in zip(names, columns.T, strict=True)}
    tags[b"wtpt"] = b"XYZ " + bytes(4) + fixed((0.9642, 1.0, 0.8249))
    return profile(b"RGB ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve(GAMMA)))


def as_srgb(linear):
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def colors():
    """Moderate colors, inside both gamuts, in flat squares."""
    values = np.random.default_rng(2).integers(70, 200, (6, 5, 3), dtype=np.uint8)
    return cv2.resize(values, (40, 48), interpolation=cv2.INTER_NEAREST)


def expected(values):
    linear = (values / 255) ** GAMMA
    return as_srgb(linear @ (np.linalg.inv(SRGB) @ DISPLAY_P3).T)


@pytest.mark.parametrize("kind", ["png", "tif", "webp", "jpg"])
def test_display_p3_is_converted_to_srgb(tmp_path, kind):
    path = tmp_path / f"phone.{kind}"
    options = {"png": {}, "tif": {}, "webp": {"lossless": True}, "jpg": {"quality": 100, "subsampling": 0}}[kind]
    Image.fromarray(colors()).save(path, icc_profile=matrix_profile(DISPLAY_P3), **options)
    rgb = read_picture(path)
    assert np.abs(rgb - expected(colors())).max() <= (8 if kind == "jpg" else 2)
    assert np.abs(expected(colors()) - colors()).max() > 15, "the conversion matters"
    np.testing.assert_array_equal(read_reduced(path, max_reduction=1)[0], rgb)
    assert np.abs(read_unconverted(path)[0].astype(int) - colors()).max() <= (4 if kind == "jpg" else 0)


# Published matrix from linear Display P3 to linear sRGB (CSS Color 4, sample code).
P3_TO_SRGB = np.array([(1.224940, -0.224940, 0), (-0.042057, 1.042057, 0), (-0.019638, -0.078636, 1.098273)])


def as_linear(values):
    values = values / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def png_of(codes):
    file = io.BytesIO()
    Image.fromarray(colors()).save(file, "PNG")
    content, body = file.getvalue(), b"cICP" + codes
    return content[:33] + struct.pack(">I", len(codes)) + body + struct.pack(">I", zlib.crc32(body)) + content[33:]


def heic_of(primaries, transfer):
    file = io.BytesIO()
    codes = {"color_primaries": primaries, "transfer_characteristics": transfer}
    pillow_heif.from_pillow(Image.fromarray(colors())).save(
        file, quality=-1, chroma=444, matrix_coefficients=0, full_range_flag=1, **codes
    )
    return file.getvalue()


@pytest.mark.parametrize("content", [png_of(bytes((12, 13, 0, 1))), heic_of(12, 13)], ids=["PNG", "HEIC"])
def test_display_p3_that_a_file_names_by_its_code_is_converted_to_srgb(tmp_path, content):
    (tmp_path / "phone.png").write_bytes(content)
    expected_rgb = as_srgb(as_linear(colors()) @ P3_TO_SRGB.T)
    assert np.abs(read_picture(tmp_path / "phone.png") - expected_rgb).max() <= 2
    assert np.abs(expected_rgb - colors()).max() > 15, "the conversion matters"


@pytest.mark.parametrize(
    "content",
    [png_of(bytes((1, 13, 0, 1))), png_of(bytes((12, 16, 0, 1))), png_of(b"\x0c"), heic_of(1, 13), heic_of(2, 2)],
    ids=["sRGB", "high dynamic range", "cut short", "HEIC in sRGB", "HEIC, unspecified"],
)
def test_other_codes_leave_the_picture_unchanged(tmp_path, content):
    (tmp_path / "card.png").write_bytes(content)
    assert np.abs(read_picture(tmp_path / "card.png").astype(int) - colors()).max() <= 1


def test_a_picture_with_an_srgb_profile_is_read_unchanged(tmp_path):
    path = tmp_path / "card.png"
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(colors()).save(path, icc_profile=srgb)
    np.testing.assert_array_equal(read_picture(path), colors())


def test_a_gray_profile_is_applied_to_gray_and_ignored_by_color(tmp_path):
    linear = profile(b"GRAY", {b"wtpt": b"XYZ " + bytes(4) + fixed((0.9642, 1.0, 0.8249)), b"kTRC": curve(1.0)})
    gray = colors()[..., 0]
    path = tmp_path / "scan.png"
    Image.fromarray(gray).save(path, icc_profile=linear)
    np.testing.assert_allclose(read_picture(path)[..., 1], as_srgb(gray / 255), atol=2)
    Image.fromarray(colors()).save(path, icc_profile=linear)
    np.testing.assert_array_equal(read_picture(path), colors())


def test_transparency_is_kept_through_the_conversion(tmp_path):
    rgba = np.dstack([colors(), np.full(colors().shape[:2], 255, np.uint8)])
    rgba[:20, :, 3] = 0
    path = tmp_path / "cut_out.png"
    Image.fromarray(rgba).save(path, icc_profile=matrix_profile(DISPLAY_P3))
    rgb = read_picture(path)
    assert (rgb[:20] == 255).all()
    assert np.abs(rgb[20:] - expected(colors())[20:]).max() <= 2
