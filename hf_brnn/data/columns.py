"""Which columns of a source hold the texts and the labels."""

from .arguments import DataArguments
from .labels import LABEL_COLUMNS
from .text import list_names


def find_columns(source: str, names: list[str], args: DataArguments) -> tuple[str, str]:
    labels = LABEL_COLUMNS if args.label_column is None else (args.label_column,)
    return (
        find_column(source, names, (args.text_column,), "--text_column"),
        find_column(source, names, labels, "--label_column"),
    )


def find_column(source: str, names: list[str], wanted: tuple[str, ...], option: str) -> str:
    for name in wanted:
        if name in names:
            return name
    hint = " If they are several columns, separate them by commas." if len(names) == 1 else ""
    raise ValueError(
        f"{source}: no column {' or '.join(map(repr, wanted))} among {list_names(names)}. Name it: {option}.{hint}"
    )
