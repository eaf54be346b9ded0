"""Read a photograph and find the face to animate."""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from avcore.arrays import Pixels
from avcore.errors import InputError, Message, NoFaceError, UsageError
from avcore.faces.detect import FaceDetector
from avcore.faces.geometry import CUT_BELOW, Box, Landmarks, hull, lip_margin, overlap
from avcore.files import require_file
from unit2av.lipsync.mesh.follow import MeshFinder, yaw_of
from unit2av.lipsync.mesh.shape import fit_pose
from unit2av.lipsync.occlusion import is_hidden

LEAST_FACE = 80
"""Least width of a face in pixels."""
MOST_YAW = 25
"""Most degrees that a face may be turned to the side: the side that the image does not show cannot be turned into view."""
_MOST_PIXELS = 8192 * 8192
_WIDE = ("I;16", "I;16B", "I;16L", "I", "F")
"""Modes of grey images of more than 8 bits; F is floating point, from 0 to 1 or to a larger white."""
_HEAD, _HEIC = 64, (b"heic", b"heix", b"heim", b"hevc")
"""Bytes at a file's beginning that name its brands, and the brands of HEVC images."""
_WITH_PROFILE = {"RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK", "L": "L", "LA": "L"}
"""Modes of images whose colour profile is applied, with the mode of the profile's colours."""
_SAME_FACE = 0.3
_BACKGROUND = 0.4
"""Share of the widest face's width below which a face is in the background."""


def read_still(path: Path) -> Pixels:
    """Read an image of any usual kind as uint8 [height, width, 3] in sRGB.

    It is turned upright, transparency becomes white, and its colour profile is applied. Raises InputError for what is no image,
    or a very large one.
    """
    require_file(path, "the portrait")
    try:
        with Image.open(path) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise InputError(
                    "the portrait is too large", path=path, expected="8192 x 8192 pixels at most", found=f"{image.size}"
                )

            upright = ImageOps.exif_transpose(image) or image
            return _rgb(upright)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        # SyntaxError is what Pillow raises for a broken PNG.
        with path.open("rb") as file:
            head = file.read(_HEAD)
        is_heic = head[4:8] == b"ftyp" and any(brand in head for brand in _HEIC)
        raise InputError(
            "this is no image that can be read",
            path=path,
            expected="JPEG, PNG, WebP, TIFF ...",
            found="HEIC, as an iPhone takes it" if is_heic else None,
            hint="export it as JPEG" if is_heic else None,
        ) from error


def _rgb(image: Image.Image) -> Pixels:
    if image.mode in _WIDE:
        grey = np.nan_to_num(np.asarray(image, np.float64))
        white = max(1.0 if image.mode == "F" else 65535.0, float(grey.max()))
        scaled = np.clip(grey * (255 / white), 0, 255).astype(np.uint8)
        return np.repeat(scaled[..., None], 3, axis=-1)

    image = _in_srgb(image)
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        ground = Image.new("RGBA", seen.size, "white")
        image = Image.alpha_composite(ground, seen)

    return np.asarray(image.convert("RGB"), np.uint8).copy()  # Pillow's own array is read-only


def _in_srgb(image: Image.Image) -> Image.Image:
    """Return an image in sRGB. One without a profile, or with an unreadable one, is assumed to be in sRGB."""
    stored = image.info.get("icc_profile")
    if not stored or image.mode not in _WITH_PROFILE:
        return image

    colours = image.convert(_WITH_PROFILE[image.mode])
    try:
        own = ImageCms.ImageCmsProfile(BytesIO(stored))
        seen = ImageCms.profileToProfile(colours, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image

    if seen is None:  # it never is: only where an image is changed in place
        return image
    if image.has_transparency_data:
        seen.putalpha(image.convert("RGBA").getchannel("A"))
    return seen


def sized(still: Pixels, height: int | None) -> Pixels:
    """Return an image scaled to a height, with even sides; None keeps its size."""
    rows, columns = still.shape[:2]
    scale = 1.0 if height is None else height / rows
    # Even, because video in 4:2:0 has one colour for two by two pixels.
    size = max(2, round(columns * scale) // 2 * 2), max(2, round(rows * scale) // 2 * 2)
    if size == (columns, rows):
        return still
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(still, size, interpolation=how), np.uint8)


def find_face(still: Pixels, number: int | None, path: Path) -> tuple[Landmarks, Box]:
    """Return the face to animate: its landmarks float32 [468, 3] and its box [4].

    number: which face, from 1 at the left; None = the only one, or one much larger than all others. Raises NoFaceError where there
    is no face, UsageError where it is not clear which one, InputError for a face that is too small, turned too far, or whose mouth
    is not all visible.
    """
    faces = _faces(still)
    if not faces:
        raise NoFaceError("no face was found in the portrait", path=path, hint="give an image of a face from the front")

    if number is None:
        widest = max(_width(mesh) for _, mesh in faces)
        large = [face for face in faces if _width(face[1]) >= _BACKGROUND * widest]
        if len(large) > 1:
            hint = f"choose one with --face 1 to {len(faces)}, from the left"
            raise UsageError(Message("there are {count} faces in the portrait", count=len(faces)), hint=hint)
        faces = large
    elif not 1 <= number <= len(faces):
        raise UsageError(
            Message("there is no face number {number}", number=number), expected=f"1 to {len(faces)}, from the left", found=number
        )

    box, mesh = faces[(number or 1) - 1]
    _require_usable(still, mesh, path)
    return mesh, box


def _require_usable(still: Pixels, mesh: Landmarks, path: Path) -> None:
    width = _width(mesh)
    if width < LEAST_FACE:
        found = f"{width:.0f} pixels wide"
        raise InputError("the face is too small", path=path, expected=f"{LEAST_FACE} pixels or more", found=found)

    if lip_margin(mesh, (still.shape[0], still.shape[1])) < CUT_BELOW:
        raise InputError("the mouth is cut off by the edge of the image", path=path, expected="a face with all of its mouth")

    yaw = float(np.degrees(yaw_of(fit_pose(mesh))))
    if yaw > MOST_YAW:
        found = f"{yaw:.0f} degrees"
        raise InputError("the face is turned too far", path=path, expected=f"{MOST_YAW} degrees at most", found=found)

    if is_hidden(still, mesh):
        raise InputError("something is before the mouth in the portrait", path=path, expected="a face whose mouth is free")


def _width(mesh: Landmarks) -> float:
    return float(np.ptp(mesh[:, 0]))


def _faces(still: Pixels) -> list[tuple[Box, Landmarks]]:
    """Return boxes and landmarks of all faces from left to right.

    In a tile of an image, a tie or a pattern may be detected as a face, or the same face in another box. A box without landmarks
    is no face, and one with the landmarks of another face is that face.
    """
    kept = list[tuple[Box, Landmarks]]()
    with FaceDetector() as detector, MeshFinder() as finder:
        for box in (*detector.boxes(still), *detector.far_boxes(still)):
            mesh = finder.find(still, box)
            if mesh is not None and all(overlap(hull(mesh), hull(other)) < _SAME_FACE for _, other in kept):
                kept.append((box, mesh))
    return sorted(kept, key=lambda face: float(face[0][0] + face[0][2]))
