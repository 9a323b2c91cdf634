"""The archive: the same bytes for the same files, and nothing else is read."""

import gzip
import io
import struct
import tarfile
import zlib

import pytest

from outsample.errors import PackageError
from outsample.packaging import archive
from outsample.packaging.archive import pack, unpack

FILES = {"b.json": b"{}\n", "a.bin": bytes(range(256)) * 40, "empty": b""}
HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"


def zipped(content: bytes) -> bytes:
    """gzip with the header of a package."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = deflate.compress(content) + deflate.flush()
    return HEADER + body + struct.pack("<II", zlib.crc32(content), len(content))


def tarred(*members, **changes) -> bytes:
    """An archive of (name, content or a type of tar) with other headers where named."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            for key, value in changes.items():
                setattr(member, key, value)
            if isinstance(content, bytes) and len(content) != 1:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = content, "/etc/passwd"
                tar.addfile(member)
    return zipped(buffer.getvalue())


def test_files_come_back_and_order_does_not_matter():
    packed = pack("m-1", FILES)
    assert unpack(packed, "x") == ("m-1", FILES)
    assert pack("m-1", dict(reversed(FILES.items()))) == packed
    assert gzip.decompress(packed)  # any gzip reads it
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert tar.getnames() == ["m-1/a.bin", "m-1/b.json", "m-1/empty"]
        assert {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in tar} == {(0, 0, 0, "", 0o644)}


def test_names_outside_are_not_packed():
    with pytest.raises(ValueError, match="no name"):
        pack("m-1", {"../x": b""})


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/cron.d/x", "outside of the package"),
        ("m-1/../../x", "outside of the package"),
        ("..", "outside of the package"),
        ("m-1\\..\\x", "outside of the package"),
        ("C:\\x", "outside of the package"),
        ("m-1/deep/x", "no file directly in"),
        ("x", "no file directly in"),
        ("m-1/.hidden", "no file directly in"),
        ("m-1/new\nline", r"'m-1/new\\nline', which is no file directly in"),
        ("m-1/\x1b[2J", r"'m-1/\\x1b\[2J', which is no file directly in"),
    ],
)
def test_paths_outside_are_refused(name, reason):
    with pytest.raises(PackageError, match=reason):
        unpack(tarred(("m-1/a", b"abc"), (name, b"abc")), "x")


KINDS = {
    "symbolic link": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "folder": tarfile.DIRTYPE,
    "character device": tarfile.CHRTYPE,
    "block device": tarfile.BLKTYPE,
    "pipe": tarfile.FIFOTYPE,
    "contiguous file": tarfile.CONTTYPE,
    "sparse file": tarfile.GNUTYPE_SPARSE,  # may claim any size
    "header of pax": tarfile.XHDTYPE,
    "global header of pax": tarfile.XGLTYPE,
    "long name of GNU": tarfile.GNUTYPE_LONGNAME,
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_plain_file_is_refused(kind):
    with pytest.raises(PackageError, match=r"'m-1/b', which is a link, a folder, a device or the like; do not use it"):
        unpack(tarred(("m-1/a", b"abc"), ("m-1/b", KINDS[kind])), "x")


def test_the_longest_names_of_a_header_come_back():
    files = {"a" * 100: b"abc", "b": b""}
    assert unpack(pack("m-" + "1" * 153, files), "x") == ("m-" + "1" * 153, files)


def test_headers_without_end_are_refused():
    """tarfile's own reader follows such a chain by recursion."""
    with pytest.raises(PackageError, match="a link, a folder, a device or the like"):
        unpack(tarred(*[("m-1/b", tarfile.XHDTYPE)] * 5_000, ("m-1/a", b"abc")), "x")


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        (b"77777777777\0", "damaged: a goes on after the end of the tar archive"),
        (b"\xff" * 11 + b"\xfe", "damaged: a goes on after the end"),  # -2, as GNU writes it
        (b"no number\0\0\0", "no readable tar archive"),
    ],
)
def test_a_size_that_is_none_is_refused(size, reason):
    content = bytearray(gzip.decompress(tarred(("m-1/a", b"abc"), mode=0o644)))
    content[124:136] = size
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    with pytest.raises(PackageError, match=reason):
        unpack(zipped(bytes(content)), "x")


def test_two_of_a_name_and_two_folders_are_refused():
    with pytest.raises(PackageError, match="holds a twice"):
        unpack(tarred(("m-1/a", b"abc"), ("m-1/a", b"abc")), "x")
    with pytest.raises(PackageError, match="holds 2 folders"):
        unpack(tarred(("m-1/a", b"abc"), ("m-2/b", b"abc")), "x")
    with pytest.raises(PackageError, match="holds 0 folders"):
        unpack(tarred(), "x")


@pytest.mark.parametrize("changes", [{"mtime": 1}, {"uid": 1000}, {"mode": 0o755}, {"uname": "me"}])
def test_headers_of_their_own_are_refused(changes):
    assert unpack(tarred(("m-1/a", b"abc"), mode=0o644, mtime=0), "x") == ("m-1", {"a": b"abc"})
    with pytest.raises(PackageError, match="owners, times, modes"):
        unpack(tarred(("m-1/a", b"abc"), **({"mode": 0o644} | changes)), "x")


def test_every_truncation_is_refused():
    packed = pack("m-1", FILES)
    for length in range(len(packed)):
        with pytest.raises(PackageError, match=r"truncated|no package"):
            unpack(packed[:length], "x")
    with pytest.raises(PackageError, match=r"goes on after the archive's end \(3 B more\)"):
        unpack(packed + b"abc", "x")


def test_a_flipped_bit_of_the_archive_changes_no_file_unseen():
    packed, unseen = pack("m-1", FILES), 0
    for place in range(len(packed)):
        for bit in range(8):
            flipped = bytearray(packed)
            flipped[place] ^= 1 << bit
            try:
                assert unpack(bytes(flipped), "x") == ("m-1", FILES)
                unseen += 1
            except PackageError:
                pass
    assert unseen < 8  # what fills up the last byte of the compressed data


def test_what_is_no_archive_is_refused():
    with pytest.raises(PackageError, match="not a gzip archive"):
        unpack(b"PK\x03\x04", "x")
    with pytest.raises(PackageError, match="no readable tar"):
        unpack(zipped(b"no tar" * 200), "x")
    with pytest.raises(PackageError, match="holds 0 folders"):
        unpack(zipped(b""), "x")


@pytest.mark.parametrize("cut", [1, 300, 512, 700, 10_000])
def test_a_tar_that_was_cut_before_it_was_zipped_is_refused(cut):
    content = gzip.decompress(pack("m-1", FILES))
    with pytest.raises(PackageError, match=r"damaged: (no readable tar|a\.bin goes on after the end)"):
        unpack(zipped(content[:cut]), "x")


def test_a_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(archive, "LARGEST", 5_000)
    with pytest.raises(PackageError, match="unpacks to more than"):
        unpack(pack("m-1", FILES), "x")
