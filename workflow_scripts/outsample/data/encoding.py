"""From the bytes of a file to its text: compression, and the encoding."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib

from outsample.data.layout import FORMAT_KEY
from outsample.errors import DataError

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
# What a file begins with -> what it is, and what to do.
_OTHERS = (
    (b"PAR1", "a Parquet file; set data.source.kind to parquet"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook; save the sheet as CSV"),
    (b"%PDF", "a PDF document; take the table as CSV"),
    (b"\x89PNG", "an image; take the table as CSV"),
    (b"BZh", "compressed by bzip2; unpack it, or compress it by gzip"),
    (b"\xfd7zXZ", "compressed by xz; unpack it, or compress it by gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd; unpack it, or compress it by gzip"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it, or compress it by gzip"),
)
_CONTROL = bytes([*range(9), 0x0B, *range(0x0E, 0x20), 0x7F])


def unpack(raw: bytes, name: str) -> tuple[bytes, str | None]:
    """The bytes of a file, or of what is compressed in it by gzip or as the one file of a zip archive.

    Returns: the bytes, and `gzip`, `zip` or None.
    Raises: DataError where it is damaged, no archive of one file, or another kind of file.
    """
    try:
        if raw[:2] == b"\x1f\x8b":
            return gzip.decompress(raw), "gzip"
        if raw[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            return _unzip(raw, name), "zip"
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(
            f"{name}: the compressed file is cut, damaged or locked ({error}); fetch or save it again."
        ) from error
    other = next((said for start, said in _OTHERS if raw.startswith(start)), None)
    if other is not None:
        raise DataError(f"{name}: the file is {other}.")
    return raw, None


def _unzip(raw: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        names = [i for i in archive.namelist() if not i.endswith("/") and not i.startswith("__MACOSX/")]
        if any(i.startswith("xl/") for i in names):
            raise DataError(f"{name}: the file is an Excel workbook; save the sheet as CSV.")
        if len(names) != 1:
            listed = ", ".join(names[:3]) + (", …" if len(names) > 3 else "") or "none"
            raise DataError(f"{name}: the zip archive holds {len(names)} files ({listed}), not one; unpack it.")
        return archive.read(names[0])


def decode(raw: bytes, name: str, encoding: str | None) -> tuple[str, str]:
    """The text of a file's bytes, its lines ended by a newline alone, and the encoding.

    By its byte-order mark, else UTF-8, else cp1252, which most programs mean where they do not write UTF-8.

    Raises: DataError where the bytes are no text in the encoding, or no text at all.
    """
    found = encoding or next((codec for mark, codec in _MARKS if raw.startswith(mark)), None)
    text = _strictly(raw, name, found) if found else None
    if text is None:
        found = "utf-8"
        try:
            text = raw.decode(found)
        except UnicodeDecodeError as error:
            found, text = "cp1252", _cp1252(raw, name, error)
    _refuse_control(text, name)
    return text.replace("\r\n", "\n").replace("\r", "\n"), str(found).removesuffix("-sig")


def _strictly(raw: bytes, name: str, encoding: str) -> str:
    try:
        return raw.decode(encoding).removeprefix("\ufeff")
    except LookupError as error:
        raise DataError(f"{name}: {FORMAT_KEY}.encoding {encoding!r} is no encoding; write utf-8 or cp1252.") from error
    except UnicodeError as error:
        raise DataError(
            f"{name}: the bytes are no text in {encoding} ({error}); correct {FORMAT_KEY}.encoding, or "
            "save the file as CSV in UTF-8."
        ) from error


def _cp1252(raw: bytes, name: str, error: UnicodeDecodeError) -> str:
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name}, line {line}: the byte 0x{raw[error.start]:02x} is text neither in UTF-8 nor in cp1252; save the "
            f"file as CSV in UTF-8, or set {FORMAT_KEY}.encoding."
        ) from error


def _refuse_control(text: str, name: str) -> None:
    """Bytes that stand in no text tell that a file is none."""
    content = text.encode()
    if len(content.translate(None, _CONTROL)) == len(content):
        return
    place = next(i for i, byte in enumerate(content) if byte in _CONTROL)
    line = content.count(b"\n", 0, place) + 1
    hint = f", or {FORMAT_KEY}.encoding is needed (utf-16-le?)" if content[place] == 0 else ""
    raise DataError(
        f"{name}, line {line}: the byte 0x{content[place]:02x} stands in no text; the file is no CSV{hint}."
    )
