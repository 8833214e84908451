"""The suffixes of files of rows, and how text files are written, as far as it is known. Loads nothing heavy."""

import codecs
from typing import NamedTuple, Optional

TEXT_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet", ".arrow", ".feather", ".xlsx")
WRITABLE_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet")
# The name of stdin and stdout.
STDIO = "-"
QUOTINGS = ("minimal", "none")


class FileFormat(NamedTuple):
    """How text files are written; None is found out for each file.

    Attributes:
        encoding: A name that Python knows, such as `utf-8` or `cp1252`.
        delimiter: What separates the fields of a csv or tsv file.
        quoting: `"minimal"`, its fields may be quoted; or `"none"`, quotes are part of the text.
    """

    encoding: Optional[str] = None
    delimiter: Optional[str] = None
    quoting: Optional[str] = None

    def check(self) -> None:
        """Raises:
        ValueError: A value is out of range.
        """
        try:
            codecs.lookup(self.encoding or "utf-8")
        except LookupError as error:
            raise ValueError(
                f"encoding is {self.encoding!r}, but must be one that Python knows, such as utf-8 or cp1252."
            ) from error
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ValueError(f"delimiter is {self.delimiter!r}, but must be one character; for a tab, $'\\t'.")
        if self.quoting not in (None, *QUOTINGS):
            raise ValueError(f"quoting is {self.quoting!r}, but must be {' or '.join(QUOTINGS)}.")


AS_FOUND = FileFormat()
