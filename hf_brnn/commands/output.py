"""Whether a command can write where it is told to."""

import os
from pathlib import Path


def check_output_path(path: Path) -> None:
    """Raises:
    ValueError: The path is a URL, below a file, or below a directory that this user can't write into.
    """
    if ":/" in str(path):
        raise ValueError(f"{path} is a URL, but the output must be local. Name a local path.")
    parent = next(each for each in path.absolute().parents if os.path.lexists(each))
    if not parent.is_dir():
        raise ValueError(f"{path} can't be written: {parent} is not a directory. Choose another path.")
    if not os.access(parent, os.W_OK):
        raise ValueError(f"{path} can't be written: you may not write into {parent}. Choose another path.")
