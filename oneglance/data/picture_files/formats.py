"""The one table of everything that is a picture: its endings, how its files begin, and what reads it.

A file with one of the endings is taken for a picture everywhere. One that nothing here reads is named as
what it is, with what helps, and never passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SAVE = "save it as PNG or JPEG"


@dataclass(frozen=True)
class Format:
    """One kind of picture file."""

    name: str  # as a sentence goes on after "is"
    endings: tuple[str, ...]  # in small letters
    signatures: tuple[bytes, ...] = ()  # its files begin with one of them
    brands: tuple[bytes, ...] = ()  # of the family of MP4, in which HEIC and AVIF are: what follows ``ftyp``
    opened: bool = False  # whether this library opens it, with Pillow or a plug-in
    package: str = ""  # what reads it where this library does not
    hint: str = SAVE

    def begins(self, content: bytes) -> bool:
        """Whether a file with this content is one."""
        if content[4:8] == b"ftyp":
            return content[8:12] in self.brands
        return bool(self.signatures) and content.startswith(self.signatures)

    @property
    def not_opened(self) -> str:
        """What is wrong with a picture of this kind where it cannot be opened."""
        if self.opened and not self.package:
            return "is damaged"
        if not self.package:
            return f"is {self.name}, which is not read"
        if self.opened:
            return f"is {self.name}, which needs the package {self.package}"
        return f"is {self.name}, which is not read here; it is read by the package {self.package}"


def _read(name: str, endings: str, *signatures: bytes) -> Format:
    return Format(name, tuple(endings.split()), signatures, opened=True)


def _unread(name: str, endings: str, *signatures: bytes, package: str = "", hint: str = SAVE) -> Format:
    return Format(name, tuple(endings.split()), signatures, package=package, hint=hint)


FORMATS = (
    _read("a JPEG picture", ".jpg .jpeg .jpe .jif .jfif .jfi .pjpeg .pjp .mpo .jps", b"\xff\xd8\xff"),
    _read("a PNG picture", ".png .apng", b"\x89PNG"),
    _read("a GIF picture", ".gif", b"GIF8"),
    _read("a BMP picture", ".bmp .dib", b"BM"),
    _read("a WebP picture", ".webp", b"RIFF"),
    _read("a TIFF picture", ".tif .tiff .btf .tf8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    _read("a PNM picture", ".ppm .pgm .pbm .pnm .pfm"),
    _read(
        "a JPEG 2000 picture",
        ".jp2 .j2k .jpx .jpf .jpm .j2c .jpc .jph .jhc",
        b"\0\0\0\x0cjP  ",
        b"\xff\x4f\xff\x51",
    ),
    _read("a Targa picture", ".tga"),
    _read("an icon", ".ico", b"\0\0\1\0"),
    Format(
        "an AVIF picture",
        (".avif", ".avifs"),
        brands=(b"avif", b"avis"),
        opened=True,
    ),
    Format(
        "a HEIC picture",
        (".heic", ".heif", ".heics", ".heifs", ".hif", ".avci", ".avcs"),
        brands=(
            *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"),
            *(b"mif2", b"miaf", b"MiHB", b"MiHE", b"avci", b"avcs"),
        ),
        opened=True,
        package="pi-heif",
        hint="pip install 'oneglance[heic]', or save it as JPEG",
    ),
    _unread("a JPEG XL picture", ".jxl", b"\xff\x0a", b"\0\0\0\x0cJXL ", package="imagecodecs"),
    _unread("a JPEG XR picture", ".jxr .wdp .hdp", b"II\xbc", package="imagecodecs"),
    _unread("an SVG drawing", ".svg .svgz", b"<svg", package="cairosvg"),
    _unread("a Photoshop file", ".psd .psb", b"8BPS", package="psd-tools"),
    _unread("a GIMP file", ".xcf", b"gimp xcf"),
    Format(
        "a raw file of a camera",
        (
            *(".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".dng", ".raf", ".rw2", ".orf"),
            *(".pef", ".srw", ".x3f", ".erf", ".kdc", ".dcr", ".mrw", ".3fr", ".iiq", ".mef", ".rwl", ".gpr"),
        ),
        (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM", b"II\x1a\0\0\0HEAPCCDR"),
        brands=(b"crx ",),
        package="rawpy",
        hint="develop it, and save it as PNG or JPEG",
    ),
    _unread(
        "an OpenEXR picture", ".exr", b"v/1\x01", package="OpenEXR", hint=f"{SAVE}, or as TIFF of floats"
    ),
    _unread(
        "a Radiance picture",
        ".hdr",
        b"#?RADIANCE",
        b"#?RGBE",
        package="imageio",
        hint=f"{SAVE}, or as TIFF of floats",
    ),
    _unread("a DICOM picture", ".dcm .dicom", package="pydicom", hint="save it as PNG or TIFF"),
    _unread("a FITS picture", ".fits .fts", b"SIMPLE  =", package="astropy", hint="save it as PNG or TIFF"),
    _unread(
        "a picture of a whole slide",
        ".svs .ndpi .mrxs .scn .vsi .czi",
        package="openslide",
        hint="cut it into pictures",
    ),
    _unread("a QOI picture", ".qoi", b"qoif", package="Pillow"),
    _unread("a PCX picture", ".pcx", package="Pillow"),
    _unread("an SGI picture", ".sgi", b"\x01\xda", package="Pillow"),
    _unread("a Sun raster picture", ".ras", b"\x59\xa6\x6a\x95", package="Pillow"),
    _unread("a DDS texture", ".dds", b"DDS ", package="Pillow"),
    _unread("a mouse pointer", ".cur", package="Pillow"),
    _unread("an icon of macOS", ".icns", b"icns", package="Pillow"),
    _unread("an XBM picture", ".xbm", package="Pillow"),
    _unread("an XPM picture", ".xpm", b"/* XPM */", package="Pillow"),
    _unread("a metafile of Windows", ".wmf .emf", b"\xd7\xcd\xc6\x9a"),
    _unread("a BPG picture", ".bpg", b"BPG\xfb"),
    _unread("a FLIF picture", ".flif", b"FLIF"),
)
"""Every kind that is known."""

PICTURE_ENDINGS = frozenset(ending for one in FORMATS for ending in one.endings)

_READ = frozenset(ending for one in FORMATS if one.opened and not one.package for ending in one.endings)

_STRANGERS = (
    (b"%PDF", "a PDF document", "save its pages as pictures"),
    (b"%!PS", "a PostScript file", SAVE),
    (b"version https://git-lfs", "the pointer to a file that Git LFS keeps", "fetch it with: git lfs pull"),
    (b"PK\3\4", "a zip archive", "name it with the ending .zip"),
    (b"\x1f\x8b", "a packed file", "unpack it"),
    (b"\x1aE\xdf\xa3", "a film", "save some of its pictures"),
)


def format_of(content: bytes) -> Format | None:
    """What a file with this content is, by how it begins; None where that is unknown."""
    if content.startswith(b"RIFF") and content[8:12] not in (b"WEBP", b""):
        return None  # sound or a film
    text = content[:1000].lstrip(b"\xef\xbb\xbf \t\r\n")
    if content.startswith(b"II*\0") and content[8:10] == b"CR":
        return with_ending(".cr2")  # a TIFF, but its first picture is only a preview
    if content[128:132] == b"DICM":
        return with_ending(".dcm")
    if text.startswith((b"<?xml", b"<!--", b"<!DOCTYPE svg", b"<svg")) and b"<svg" in text:
        return with_ending(".svg")
    return next((one for one in FORMATS if one.begins(content)), None)


def with_ending(ending: str) -> Format:
    """The format of an ending in small letters, which is one of ``PICTURE_ENDINGS``."""
    return next(one for one in FORMATS if ending in one.endings)


def stranger(content: bytes) -> tuple[str, str]:
    """What is wrong with a file that is no picture, and a hint."""
    if not content:
        return "is empty", ""
    if len(content) > 60 and not content.strip(b"\0"):
        return "is not a picture but zeros", "copy it again"
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:20].lower().startswith((b"<!doctype html", b"<html")):
        return "is not a picture but a web page", "download it again"
    if content[4:8] == b"ftyp":
        return "is not a picture but a film", "save some of its pictures"
    for signature, name, hint in _STRANGERS:
        if content.startswith(signature):
            return f"is not a picture but {name}", hint
    return "is not a picture", ""


def without_companions(names: Iterable[str]) -> Iterator[str]:
    """The names of pictures, in their order, without those that only accompany another one: where a picture
    that is read lies beside it under the same name (``a.jpg``), what is not read (``a.cr2``) is the same
    again.
    """
    names = list(names)
    readable = {stem for stem, ending in map(_split, names) if ending in _READ}
    for name in names:
        stem, ending = _split(name)
        if ending in _READ or stem not in readable:
            yield name


def _split(name: str) -> tuple[str, str]:
    stem, ending = os.path.splitext(name)  # noqa: PTH122 - a million names
    return stem, ending.lower()
