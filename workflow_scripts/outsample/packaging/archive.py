"""The archive of a package: the same files always give the same bytes, and no other bytes are read.

Files lie in one folder, sorted by name, with one owner, mode and time. Nothing is ever extracted: members are read in
memory, after their names and kinds have been looked at.
"""

from __future__ import annotations

import io
import re
import struct
import tarfile
import zlib
from collections.abc import Mapping

from outsample.errors import PackageError

LARGEST = 1 << 30  # bytes of an unpacked archive; a small file can unpack to anything
# gzip: deflate, no name, no time, strongest compression, no operating system (RFC 1952).
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ADVICE = "take it from where it was built, or build it again"


def pack(folder: str, files: Mapping[str, bytes]) -> bytes:
    """The bytes of a tar.gz that holds the files in one folder.

    Args:
        folder: name of the folder within the archive.
        files: name -> content.
    Raises: ValueError where a name is not made of letters, digits, dots, hyphens and underscores.
    """
    content = _tar(folder, files)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(content) + deflate.flush()
    return _HEADER + body + struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)


def unpack(data: bytes, where: str) -> tuple[str, dict[str, bytes]]:
    """Folder and files of an archive that `pack` has written.

    Args:
        data: the archive's bytes.
        where: what errors call it.
    Raises: PackageError where the archive is truncated, damaged, or holds anything that `pack` does not write.
    """
    content = _inflate(data, where)
    folder, files = _members(content, where)
    if _tar(folder, files) != content:
        raise PackageError(f"{where} holds members with owners, times, modes or an order of their own; {_ADVICE}.")
    return folder, files


def _tar(folder: str, files: Mapping[str, bytes]) -> bytes:
    wrong = [name for name in (folder, *files) if not _NAME.fullmatch(name)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no name of a file in a package")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files):
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size, member.mode, member.mtime = len(files[name]), 0o644, 0
            tar.addfile(member, io.BytesIO(files[name]))
    return buffer.getvalue()


def _inflate(data: bytes, where: str) -> bytes:
    if data[:2] != _HEADER[:2]:
        raise PackageError(f"{where} is no package: it is not a gzip archive; name a file that package_model wrote.")
    if data[: len(_HEADER)] != _HEADER[: len(data)]:
        raise PackageError(f"{where} has a gzip header that package_model does not write; {_ADVICE}.")
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        content = inflate.decompress(data, LARGEST)
    except zlib.error as error:
        raise PackageError(f"{where} is damaged ({error}); {_ADVICE}.") from error
    if inflate.unconsumed_tail:
        raise PackageError(f"{where} unpacks to more than {LARGEST >> 20} MiB, which no package does; {_ADVICE}.")
    if not inflate.eof:
        raise PackageError(f"{where} is truncated: its {len(data)} bytes end before the archive does; {_ADVICE}.")
    if inflate.unused_data:
        raise PackageError(f"{where} goes on after the archive's end ({len(inflate.unused_data)} B more); {_ADVICE}.")
    return content


def _members(content: bytes, where: str) -> tuple[str, dict[str, bytes]]:
    """Folder and files, header by header: the reader of `tarfile` follows headers that `pack` never writes, which may
    claim any size, or nest without end."""
    files: dict[str, bytes] = {}
    folders: set[str] = set()
    start = 0
    while any(block := content[start : start + tarfile.BLOCKSIZE]):
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.TarError as error:
            raise PackageError(f"{where} is damaged: no readable tar archive ({error}); {_ADVICE}.") from error
        folder, name = _checked_name(member, where)
        start += tarfile.BLOCKSIZE
        if not 0 <= member.size <= len(content) - start:
            raise PackageError(f"{where} is damaged: {name} goes on after the end of the tar archive; {_ADVICE}.")
        if name in files:
            raise PackageError(f"{where} holds {name} twice; {_ADVICE}.")
        files[name] = content[start : start + member.size]
        folders.add(folder)
        start += -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    if len(folders) != 1:
        raise PackageError(f"{where} holds {len(folders)} folders where a package has one; {_ADVICE}.")
    return folders.pop(), files


def _checked_name(member: tarfile.TarInfo, where: str) -> tuple[str, str]:
    """Folder and name of a member that is a plain file inside the archive's folder."""
    path = member.name
    if path.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", path) or re.match(r"[A-Za-z]:", path):
        raise PackageError(f"{where} holds {path!r}, a path outside of the package; do not use it.")
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        raise PackageError(f"{where} holds {path!r}, which is a link, a folder, a device or the like; do not use it.")
    parts = path.split("/")
    if len(parts) != 2 or not all(_NAME.fullmatch(part) for part in parts):
        raise PackageError(f"{where} holds {path!r}, which is no file directly in the package's folder; {_ADVICE}.")
    return parts[0], parts[1]
