"""Runs transformers' own model tests. Their files are downloaded once, into build/."""

import os
import re
import subprocess
import sys
import tarfile

import pytest
import transformers
from processes import REPOSITORY

pytestmark = pytest.mark.slow

NAME = f"transformers-{transformers.__version__}"
FOLDER = REPOSITORY / "build" / NAME
# The last file to be written.
READY = FOLDER / "transformers_tests" / "__init__.py"


def download_tests():
    """Downloads transformers' source distribution and unpacks its tests as the package `transformers_tests`."""
    options = ("--quiet", "--no-binary", ":all:", "--no-deps", "--no-build-isolation", "--dest", str(FOLDER))
    version = NAME.replace("-", "==")
    subprocess.run([sys.executable, "-m", "pip", "download", *options, version], check=True)
    archive = FOLDER / f"{NAME}.tar.gz"
    with tarfile.open(archive) as file:
        for member in file.getmembers():
            if member.name.startswith(f"{NAME}/tests/") and member.isfile():
                member.name = member.name.replace(f"{NAME}/tests", "transformers_tests", 1)
                file.extract(member, FOLDER, filter="data")
    archive.unlink()
    READY.touch()


def test_the_models_pass_the_tests_of_transformers(tmp_path):
    if not READY.exists():
        download_tests()
    # Without our options: strict markers refuse those of transformers.
    options = ("-o", "addopts=", "--noconftest", "-p", "no:cacheprovider", "-W", "ignore", "--tb=short", "-v")
    process = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--basetemp={tmp_path / 'tests'}", "tests/helpers/model_tester.py"],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(FOLDER)])},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout[-10_000:] + process.stderr
    # Others are skipped: they need a GPU, attention or generation.
    assert int(re.search(r"(\d+) passed", process.stdout)[1]) >= 70
    for name in ("retain_grad_hidden_states_attentions", "training_gradient_checkpointing", "resize_tokens_embeddings"):
        assert re.search(rf"::test_{name} PASSED", process.stdout), name
