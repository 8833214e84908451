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
from tempfile import TemporaryDirectory

import yaml
from huggingface_hub import metadata_load

import hf_brnn
from hf_brnn.hub.layout import IGNORED_NAMES, check_model_directory, check_no_other_files
from hf_brnn.inference.load import has_quantized_graph, load

REQUIREMENTS = ("numpy", "onnxruntime", "pyarrow", "tokenizers", "tqdm")
APP = '''\
"""The demo of the model in this folder."""

from pathlib import Path

from hf_brnn.apps.demo import launch

launch(Path(__file__).parent / "model", {name!r})
'''
CARD = """\
---
{metadata}---

The demo of {name}, a text classifier trained with hf-brnn: type a text to see its label and what each word did, or
score lines and files. `model/README.md` says how the model was trained and what it can't do.

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
        check_model_directory(folder)
        if args.space is None:
            from hf_brnn.apps.demo import launch  # gradio takes seconds to load, and nothing else here needs it

            launch(folder, folder.name)
        else:
            write_space(folder, args.space)
            print(f"{args.space} holds the Space of {folder.name}; python {args.space}/app.py serves it.")
    except (OSError, ValueError) as error:
        parser.error(str(error))


def write_space(folder: Path, target: Path) -> None:
    """Writes app, card, requirements, the saved folder and the package without its own model and sample.

    A Space installs its requirements before its files are there: the package can't be one of them as a wheel in the
    folder, so its modules lie beside the app.

    Raises:
        FileExistsError: `target` is there already, or the folder holds more than a saved model.
        FileNotFoundError: The folder has no card.
        ValueError: The model does not give one label of several.
    """
    if target.exists():
        raise FileExistsError(f"{target}: is there already; remove it or name another folder")
    check_no_other_files(folder)
    card = folder / "README.md"
    if not card.is_file():
        raise FileNotFoundError(f"{folder} has no README.md, the model's card.")
    load(folder)
    requirements = REQUIREMENTS if has_quantized_graph(folder) else (*REQUIREMENTS, "torch", "transformers")
    gradio = version("gradio")
    metadata = {
        "title": folder.name,
        "sdk": "gradio",
        "sdk_version": gradio,
        "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
        "app_file": "app.py",
    }
    if license_name := (metadata_load(card) or {}).get("license"):
        metadata["license"] = license_name
    files = {
        "app.py": APP.format(name=folder.name),
        "README.md": CARD.format(
            name=folder.name, gradio=gradio, metadata=yaml.safe_dump(metadata, allow_unicode=True, sort_keys=False)
        ),
        "requirements.txt": "".join(f"{name}=={version(name).partition('+')[0]}\n" for name in requirements),
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as temporary:
        part = Path(temporary) / target.name
        shutil.copytree(folder, part / "model", ignore=shutil.ignore_patterns(*IGNORED_NAMES))
        ignored = shutil.ignore_patterns("__pycache__", "pretrained", "sample")
        shutil.copytree(Path(hf_brnn.__file__).parent, part / "hf_brnn", ignore=ignored)
        for name, content in files.items():
            (part / name).write_text(content, encoding="utf-8")
        part.rename(target)


if __name__ == "__main__":
    main(sys.argv[1:])
