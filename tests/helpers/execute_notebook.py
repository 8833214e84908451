"""Executes the notebook of the tutorial in a new kernel and writes it with its outputs.

python tests/helpers/execute_notebook.py                   # in place
python tests/helpers/execute_notebook.py --output FILE
"""

import argparse
import base64
import io
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from PIL import Image

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tutorial.ipynb"


def shrink_pictures(notebook: nbformat.NotebookNode) -> None:
    """Gives the pictures among the outputs a palette of 64 colors, which takes a third of the bytes."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                file = io.BytesIO()
                image = Image.open(io.BytesIO(base64.b64decode(png)))
                image.convert("RGB").quantize(64).save(file, "PNG", optimize=True)
                output["data"]["image/png"] = base64.b64encode(file.getvalue()).decode()


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
    shrink_pictures(notebook)
    nbformat.write(notebook, args.output)


if __name__ == "__main__":
    main(sys.argv[1:])
