"""Other versions of transformers load a model directory: from the disk, from a Hub, and offline from the cache.

Each version is installed under .venv-compat; hf_brnn is kept from all of them.
"""

import json
import subprocess
import sys

import numpy as np
import pytest
from filelock import FileLock
from processes import REPOSITORY, run_new_python, run_python

pytestmark = pytest.mark.slow

# optimum's ONNX classes need transformers below 4.58. Installed without what they require: torch is there.
OPTIMUM = {"4.57.6": ["optimum==2.1.0", "optimum-onnx==0.1.0"]}


def installed(version):
    """A folder with this version of transformers and what it requires, to be put before those of this environment."""
    folder = REPOSITORY / ".venv-compat" / version
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "ready").exists():
            install = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", f"--target={folder}"]
            subprocess.run([*install, f"transformers=={version}", "numpy"], check=True, stderr=subprocess.DEVNULL)
            if version in OPTIMUM:
                subprocess.run([*install, "--no-deps", *OPTIMUM[version]], check=True)
            (folder / "ready").touch()
    return folder


@pytest.fixture
def use(tmp_path):
    """Gives what tests/helpers/use_saved_folder.py prints, in a new folder with an empty code cache."""

    def run(model, **environment):
        script = REPOSITORY / "tests" / "helpers" / "use_saved_folder.py"
        environment = {"HF_MODULES_CACHE": str(tmp_path / "modules"), "HF_HOME": str(tmp_path / "home")} | environment
        return json.loads(run_new_python(script, model, cwd=tmp_path, **environment).stdout)

    return run


def check_same(found, expected, version):
    assert found["transformers"] == version
    assert found["input_ids"] == expected["input_ids"]
    assert found["labels"] == expected["labels"]
    np.testing.assert_allclose(found["logits"], expected["logits"], atol=1e-5)
    # One of the texts has 10,000 words: their mean in single precision is as far apart in ONNX Runtime and torch.
    if version in OPTIMUM:
        np.testing.assert_allclose(found["onnx_logits"], expected["logits"], atol=1e-4)


@pytest.mark.parametrize("version", ["4.48.3", "4.57.6"])
def test_another_transformers_gives_the_same_from_the_folder_from_a_hub_and_offline(
    server, exported_folder, use, version
):
    packages = {"PYTHONPATH": str(installed(version))}
    run_python("scripts/push_to_hub.py", exported_folder, "--repo_id", "alice/tweets")
    expected = use(exported_folder)
    check_same(use(exported_folder, HF_HUB_OFFLINE="1", **packages), expected, version)
    check_same(use("alice/tweets", **packages), expected, version)
    check_same(use("alice/tweets", HF_HUB_OFFLINE="1", **packages), expected, version)
