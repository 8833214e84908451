"""Executes the notebook of the tutorial in a new kernel and writes it with its outputs.

python tests/helpers/execute_notebook.py                   # in place
python tests/helpers/execute_notebook.py --output FILE
"""

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tutorial.ipynb"


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=NOTEBOOK)
    args = parser.parse_args(argv)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    # tqdm warns, naming a folder of this machine, where Jupyter's widgets are missing.
    environment = os.environ | {"PYTHONWARNINGS": "ignore:IProgress not found"}
    with TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=600, record_timing=False, resources=resources).execute(env=environment)
    nbformat.write(notebook, args.output)


if __name__ == "__main__":
    main(sys.argv[1:])
