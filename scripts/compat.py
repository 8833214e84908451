"""Loads a saved folder in environments with other transformers versions and compares what they give.

python scripts/compat.py [--model runs/quickstart] [--versions 4.48.3 4.57.6]

Each version gets an environment of its own under .venv-compat; hf_brnn is in none of them. Without --model, the
quickstart is trained first.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import version
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).parent.parent
TORCH = version("torch").partition("+")[0]


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--versions", nargs="+", default=["4.48.3", "4.57.6"])
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        model = args.model
        if model is None:
            model = Path(folder) / "quickstart"
            train = [sys.executable, "scripts/train.py", f"--output_dir={model}"]
            subprocess.run(train, cwd=REPOSITORY, check=True, stderr=subprocess.DEVNULL)
        expected = use(Path(sys.executable), model.resolve())
        for transformers_version in args.versions:
            compare(expected, use(environment(transformers_version), model.resolve()))


def environment(transformers_version: str) -> Path:
    """The Python of an environment with torch and this version of transformers, made if there is none."""
    folder = REPOSITORY / ".venv-compat" / transformers_version
    ready = folder / "ready"
    if not ready.exists():
        venv.create(folder, with_pip=True, clear=True)
        packages = [f"torch=={TORCH}", f"transformers=={transformers_version}", "numpy"]
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", *packages], check=True)
        ready.touch()
    return folder / "bin" / "python"


def use(python: Path, model: Path) -> dict:
    """What tests/use_saved_folder.py prints, run in a new folder with an empty code cache."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.run(
            [python, REPOSITORY / "tests" / "use_saved_folder.py", model],
            cwd=folder,
            env=os.environ | {"HF_MODULES_CACHE": folder, "HF_HUB_OFFLINE": "1"},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    return json.loads(process.stdout)


def compare(expected: dict, found: dict) -> None:
    assert found["input_ids"] == expected["input_ids"], "other token ids"
    assert found["labels"] == expected["labels"], "other labels"
    difference = np.abs(np.subtract(found["logits"], expected["logits"])).max()
    assert difference < 1e-5, f"logits differ by {difference}"
    print(
        f"transformers {found['transformers']}: {found['tokenizer_class']}, the same token ids and labels, logits "
        f"within {difference:.1e} of transformers {expected['transformers']}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
