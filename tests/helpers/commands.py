"""Runs commands in this process."""

from typing import NamedTuple


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


def run_main(main, *arguments, capsys):
    """Calls a command's `main` with arguments and returns how it ended."""
    code, message = 0, ""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        message = ended.code if isinstance(ended.code, str) else ""
    captured = capsys.readouterr()
    return Ended(code, captured.out, captured.err + message)
