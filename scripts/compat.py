"""Loads a saved folder with other transformers versions, from the disk and from a Hub, and compares what they give.

python scripts/compat.py [--model runs/quickstart] [--versions 4.48.3 4.57.6]

Each version is installed under .venv-compat; hf_brnn is kept from all of them. The Hub is a server on loopback. Without
--model, the quickstart is trained first.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).parent.parent
sys.path.insert(0, str(REPOSITORY / "tests" / "helpers"))

from hub_server import HubServer  # noqa: E402

REPO_ID = "alice/tweets"
# optimum's ONNX classes need transformers below 4.58. Installed without what they require: torch is there.
OPTIMUM = {"4.57.6": ["optimum==2.1.0", "optimum-onnx==0.1.0"]}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--versions", nargs="+", default=["4.48.3", "4.57.6"])
    args = parser.parse_args(argv)
    server = HubServer()
    with tempfile.TemporaryDirectory() as home:
        hub = {"HF_ENDPOINT": server.endpoint, "HF_HOME": home, "HF_TOKEN": "alice", "HF_HUB_DISABLE_XET": "1"}
        model = args.model
        if model is None:
            model = Path(home) / "quickstart"
            run("scripts/train.py", f"--output_dir={model}")
            run("scripts/export_onnx.py", model)
        run("scripts/push_to_hub.py", model, "--repo_id", REPO_ID, **hub)
        expected = use(model.resolve())
        for version in args.versions:
            packages = {"PYTHONPATH": str(installed(version))}
            compare(expected, use(model.resolve(), HF_HUB_OFFLINE="1", **packages), "the folder")
            with tempfile.TemporaryDirectory() as cache:
                pulled = packages | hub | {"HF_HOME": cache}
                compare(expected, use(REPO_ID, **pulled), "the Hub")
                compare(expected, use(REPO_ID, HF_HUB_OFFLINE="1", **pulled), "the cache, offline")


def run(script: object, *arguments: object, cwd: object = REPOSITORY, **environment: str) -> str:
    """What a script prints; its error ends this one."""
    process = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        cwd=str(cwd),
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    if process.returncode:
        sys.exit(f"{script} {arguments} failed: {process.stderr}")
    return process.stdout


def installed(version: str) -> Path:
    """A folder with this version of transformers and what it requires, to be put before those of this environment."""
    folder = REPOSITORY / ".venv-compat" / version
    ready = folder / "ready"
    if not ready.exists():
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", f"--target={folder}"]
        subprocess.run([*install, f"transformers=={version}", "numpy"], check=True, stderr=subprocess.DEVNULL)
        if version in OPTIMUM:
            subprocess.run([*install, "--no-deps", *OPTIMUM[version]], check=True)
        ready.touch()
    return folder


def use(model: object, **environment: str) -> dict:
    """What tests/helpers/use_saved_folder.py prints, run in a new folder with an empty code cache."""
    script = REPOSITORY / "tests" / "helpers" / "use_saved_folder.py"
    with tempfile.TemporaryDirectory() as folder:
        return json.loads(run(script, model, cwd=folder, **{"HF_MODULES_CACHE": folder} | environment))


def compare(expected: dict, found: dict, source: str) -> None:
    assert found["input_ids"] == expected["input_ids"], "other token ids"
    assert found["labels"] == expected["labels"], "other labels"
    # One of the texts has 10,000 words: their mean in single precision is as far apart in ONNX Runtime and torch.
    for name, limit in (("logits", 1e-5), ("onnx_logits", 1e-4)):
        if name in found:
            difference = np.abs(np.subtract(found[name], expected["logits"])).max()
            assert difference < limit, f"{name} differ by {difference}"
            print(
                f"transformers {found['transformers']}, from {source}: {found['tokenizer_class']}, the same token ids "
                f"and labels, {name} within {difference:.1e} of transformers {expected['transformers']}"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
