"""Serves the demo of a saved folder, or writes it as a Gradio Space.

python scripts/demo.py                                  # the model of the package, at http://127.0.0.1:7860
python scripts/demo.py runs/quickstart                  # GRADIO_SERVER_PORT=8000 for another port
python scripts/demo.py runs/quickstart --space space    # then: hf upload --repo-type space user/name space .
"""

import argparse
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import hf_brnn
from hf_brnn.prediction import has_quantized_graph
from hf_brnn.saved_folder import check_saved_folder

REQUIREMENTS = ("numpy", "onnxruntime", "pyarrow", "tokenizers", "tqdm")
APP = '''\
"""The demo of {name}."""

from pathlib import Path

from hf_brnn.demo import launch

launch(Path(__file__).parent / "{name}")
'''
CARD = """\
---
title: {name}
sdk: gradio
sdk_version: {gradio}
python_version: "{python}"
app_file: app.py
license: apache-2.0
---

The demo of {name}, a text classifier trained with hf-brnn: type a text to see its label and what each word did, or
score lines and files. `{name}/README.md` says how the model was trained and what it can't do.

```bash
pip install gradio=={gradio} -r requirements.txt
python app.py
```
"""


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=hf_brnn.PRETRAINED_FOLDER, help="A saved folder.")
    parser.add_argument("--space", type=Path, metavar="TARGET", help="Write a Space to this new folder, serve nothing.")
    args = parser.parse_args(argv)
    folder = args.folder.resolve()
    try:
        check_saved_folder(folder)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if args.space is None:
        from hf_brnn.demo import launch  # gradio takes seconds to load, and nothing else here needs it

        launch(folder)
    elif args.space.exists():
        parser.error(f"{args.space}: is there already; remove it or name another folder")
    else:
        write_space(folder, args.space)
        print(f"{args.space} holds the Space of {folder.name}; python {args.space}/app.py serves it.")


def write_space(folder: Path, target: Path) -> None:
    """Writes app, card, requirements, the saved folder and the package without its own model and sample.

    A Space installs its requirements before its files are there: the package can't be one of them as a wheel in the
    folder, so its modules lie beside the app.
    """
    requirements = REQUIREMENTS if has_quantized_graph(folder) else (*REQUIREMENTS, "torch", "transformers")
    values = {
        "name": folder.name,
        "gradio": version("gradio"),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    }
    shutil.copytree(folder, target / folder.name)
    ignored = shutil.ignore_patterns("__pycache__", "pretrained", "sample")
    shutil.copytree(Path(hf_brnn.__file__).parent, target / "hf_brnn", ignore=ignored)
    files = {
        "app.py": APP.format(**values),
        "README.md": CARD.format(**values),
        "requirements.txt": "".join(f"{name}=={version(name).partition('+')[0]}\n" for name in requirements),
    }
    for name, content in files.items():
        (target / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
