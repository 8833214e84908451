"""Opens files of rows: decompresses them, and finds out their encoding."""

import bz2
import codecs
import gzip
import io
import logging
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Optional, TextIO, cast

import pyarrow as pa

COMPRESSIONS = (".gz", ".bz2", ".zst", ".zip")
# The first bytes of formats that people give a wrong suffix.
SIGNATURES = {
    b"PAR1": ".parquet",
    b"ARROW1": ".arrow",
    b"\x1f\x8b": ".gz",
    b"BZh": ".bz2",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"PK\x03\x04": ".zip (or .xlsx)",
}
# The first bytes of what comes down in place of a file.
NO_ROWS = {
    b"version https://git-lfs": "a pointer of Git LFS. Get the file itself: git lfs pull",
    b"<!doctype html": "a web page. Download the file itself.",
    b"<html": "a web page. Download the file itself.",
}
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
CHUNK = 2**20
# The longest line that is read whole.
MAX_LINE_CHARACTERS = 2**24

logger = logging.getLogger(__name__)


def split_suffix(path: Path) -> tuple[str, str]:
    """Returns the suffix of a file that tells its format, and that of its compression: `.csv` and `.gz`."""
    compression = path.suffix.lower()
    if compression in COMPRESSIONS:
        return Path(path.stem).suffix.lower(), compression
    return compression, ""


def open_bytes(path: Path) -> BinaryIO:
    """Opens a file, decompressed.

    Raises:
        ValueError: A zip file holds other than one file, or the suffix is not that of the content.
    """
    _, compression = split_suffix(path)
    if compression == ".zip":
        archive = zipfile.ZipFile(path)
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) != 1:
            raise ValueError(f"{path}: the archive holds {len(names)} files, expected one. Unpack it.")
        return cast(BinaryIO, archive.open(names[0]))
    if compression == ".gz":
        return cast(BinaryIO, gzip.open(path))
    if compression == ".bz2":
        return cast(BinaryIO, bz2.open(path))
    if compression == ".zst":
        return cast(BinaryIO, pa.input_stream(str(path), compression="zstd"))
    file = path.open("rb")
    start = file.read(64)
    for signature, suffix in SIGNATURES.items():
        if start.startswith(signature):
            file.close()
            raise ValueError(f"{path}: the first bytes are those of a {suffix} file. Give the file this suffix.")
    for signature, content in NO_ROWS.items():
        if start.lstrip().lower().startswith(signature):
            file.close()
            raise ValueError(f"{path} is not a file of rows, but {content}")
    file.seek(0)
    return file


def open_text(path: Path, encoding: Optional[str] = None, newline: Optional[str] = "") -> TextIO:
    """Opens a text file, decompressed. Bytes that can't be decoded become lone surrogates.

    Args:
        path: The file.
        encoding: Its encoding; by default the one that `detect_encoding` finds.
        newline: As `open` takes it.

    Raises:
        What `open_bytes` raises.
    """
    codec = codecs.lookup(encoding or detect_encoding(path)).name
    errors = "strict" if codec.startswith(("utf-16", "utf-32")) else "surrogateescape"
    return io.TextIOWrapper(open_bytes(path), codec, errors, newline)


def open_lines(path: Path, encoding: Optional[str] = None) -> TextIO:
    """Opens a text file to read its lines. A carriage return ends a line where no line feed does."""
    with open_text(path, encoding) as file:
        has_line_feeds = "\n" in file.read(CHUNK)
    return open_text(path, encoding, newline="\n" if has_line_feeds else None)


def read_lines(file: TextIO) -> Iterator[str]:
    """Yields the lines of a file. A line of more than `MAX_LINE_CHARACTERS` is cut after one character more."""
    readline, size = file.readline, MAX_LINE_CHARACTERS + 1
    while line := readline(size):
        if len(line) == size:
            rest = line
            while len(rest) == size and not rest.endswith(("\n", "\r")):
                rest = readline(size)
        yield line


def find_length_problem(characters: int) -> str:
    """Returns what is wrong with a row of so many characters."""
    is_long = characters > MAX_LINE_CHARACTERS
    return f"more than {MAX_LINE_CHARACTERS:,} characters, the limit for a row" if is_long else ""


def detect_encoding(path: Path, legacy: Optional[str] = None) -> str:
    """Returns the encoding of a text file: that of its byte order mark, else UTF-8, or `legacy` if most of its bytes
    outside ASCII are not UTF-8. By default that is cp1252, or latin-1 where it doesn't fit, and is logged."""
    stat = path.stat()
    return _detect_encoding(path, legacy, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _detect_encoding(path: Path, legacy: Optional[str], modified: int, size: int) -> str:
    with open_bytes(path) as file:
        start = file.read(4)
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            if encoding != "utf-8-sig":
                logger.info("%s: read as %s, which its byte order mark says.", path, encoding.upper())
            return encoding
    decoded = undecoded = 0
    fits_cp1252 = True
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    with open_bytes(path) as file:
        for chunk in chain(iter(lambda: file.read(CHUNK), b""), [b""]):
            text = decoder.decode(chunk, final=not chunk)
            if text.isascii():
                continue
            # Lone surrogates, which stand for such bytes, are left out of UTF-8.
            valid = text.encode("utf-8", "ignore").decode("utf-8")
            undecoded += len(text) - len(valid)
            decoded += len(valid) - len(valid.encode("ascii", "ignore"))
            fits_cp1252 &= not any(byte in chunk for byte in b"\x81\x8d\x8f\x90\x9d")
    if undecoded <= decoded:
        return "utf-8"
    if legacy is not None:
        return legacy
    encoding = "cp1252" if fits_cp1252 else "latin-1"
    logger.info("%s: not UTF-8; read as %s. If that is wrong, name its encoding with --encoding.", path, encoding)
    return encoding
