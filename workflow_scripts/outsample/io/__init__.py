"""The edge of the library: files in and out, their schemas, the hash of the code that made them, and scripts."""

from outsample.io.files import (
    empty_table,
    read_joined,
    read_json,
    read_symbols,
    read_table,
    sha256_file,
    sha256_of,
    write_csv,
    write_json,
    write_table,
    writing_table,
)

__all__ = [
    "empty_table",
    "read_joined",
    "read_json",
    "read_symbols",
    "read_table",
    "sha256_file",
    "sha256_of",
    "write_csv",
    "write_json",
    "write_table",
    "writing_table",
]
