"""Writing the demo of a model directory as a Gradio Space."""

import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from huggingface_hub import metadata_load

from ..data.text import escape_markdown
from ..hub.layout import CARD as MODEL_CARD
from ..hub.layout import IGNORED_NAMES, TRAINING_ARGS, check_files, check_no_other_files
from ..inference.load import has_quantized_graph, load

PACKAGE = Path(__file__).parent.parent
REQUIREMENTS = ("numpy", "onnxruntime", "pyarrow", "safetensors", "tokenizers", "tqdm")
APP = '''\
"""The demo of the model in this directory."""

from pathlib import Path

from hf_brnn.apps.demo import launch

launch(Path(__file__).parent / "model", {name!r})
'''
CARD = """\
---
{metadata}---

The demo of {name}, a small text model trained with hf-brnn. Type a text to see what the model makes of it and of each
word, or score lines and files. `model/README.md` says how the model was trained and what its limits are.

```bash
pip install gradio=={gradio} -r requirements.txt
python app.py
```
"""


def write_space(directory: Path, target: Path) -> None:
    """Writes the app, its card, its requirements, the model directory, and this package without its model and sample.

    A Space installs its requirements before its files are there. So the package can't be a wheel among its files; its
    modules are next to the app.

    Args:
        directory: The model directory.
        target: The new directory of the Space.

    Raises:
        FileExistsError: `target` exists, or the model directory holds other files.
        FileNotFoundError: The model directory has no card.
        ValueError: The files of the model don't belong together.
    """
    if target.exists() or target.is_symlink():
        raise FileExistsError(f"{target} exists already. Remove it, or name another directory.")
    check_no_other_files(directory)
    check_files(directory, MODEL_CARD)
    load(directory)
    requirements = REQUIREMENTS if has_quantized_graph(directory) else (*REQUIREMENTS, "torch", "transformers")
    gradio = version("gradio")
    metadata = {
        "title": directory.name,
        "sdk": "gradio",
        "sdk_version": gradio,
        "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
        "app_file": "app.py",
    }
    if license_name := (metadata_load(directory / MODEL_CARD) or {}).get("license"):
        metadata["license"] = license_name
    files = {
        "app.py": APP.format(name=directory.name),
        "README.md": CARD.format(
            name=escape_markdown(directory.name),
            gradio=gradio,
            metadata=yaml.safe_dump(metadata, allow_unicode=True, sort_keys=False),
        ),
        "requirements.txt": "".join(f"{name}=={version(name).partition('+')[0]}\n" for name in requirements),
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as temporary:
        part = Path(temporary) / target.name
        shutil.copytree(directory, part / "model", ignore=shutil.ignore_patterns(*IGNORED_NAMES, TRAINING_ARGS))
        ignored = shutil.ignore_patterns("__pycache__", "pretrained", "sample")
        shutil.copytree(PACKAGE, part / "hf_brnn", ignore=ignored)
        for name, content in files.items():
            (part / name).write_text(content, encoding="utf-8")
        part.rename(target)
