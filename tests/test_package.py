"""The wheel, installed outside the repository, holds all that its commands need."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import torch
from processes import REPOSITORY

USE = """
import hf_brnn
from pathlib import Path
assert "site-packages" in hf_brnn.__file__, hf_brnn.__file__
assert (Path(hf_brnn.__file__).parent / "py.typed").exists()
model = hf_brnn.BrnnForSequenceClassification(hf_brnn.BrnnConfig(vocab_size=9))
model.save_pretrained("saved")
assert Path("saved/modeling_brnn.py").exists()
assert hf_brnn.BrnnForSequenceClassification.from_pretrained(hf_brnn.PRETRAINED).config.id2label[1] == "POSITIVE"
"""
SHORT = ["--num_train_epochs", "1", "--max_rows", "200", "--hidden_size", "8"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs a program of a new environment, which borrows the libraries of this one, but not its hf_brnn."""
    folder = tmp_path_factory.mktemp("package")
    venv.create(folder / "env")
    programs = folder / "env" / "bin"
    pip = [sys.executable, "-m", "pip", "--python", programs / "python"]
    source = folder / "source"
    for name in ("hf_brnn", "configs"):
        shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    subprocess.run([*pip, "install", "--quiet", "--no-deps", source], check=True)
    site_packages = next((folder / "env" / "lib").glob("python*/site-packages"))
    (site_packages / "libraries.pth").write_text(f"{Path(torch.__file__).parent.parent}\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(program, *arguments):
        command = [programs / program, *arguments]
        process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert not process.returncode, f"{command}\n{process.stdout}\n{process.stderr}"
        return process.stdout

    return run


def test_the_library_is_whole(run):
    run("python", "-c", USE)


def test_the_command_is_there_under_both_names(run):
    text = run("hf-brnn", "--help")
    assert "predict" in text
    assert run("python", "-m", "hf_brnn", "--help") == text


def test_a_model_is_trained_by_the_name_of_a_recipe_and_used(run):
    run("hf-brnn", "train", "--config", "quickstart", *SHORT, "--output_dir", "mine")
    run("hf-brnn", "export", "mine")
    assert "so happy today" in run("hf-brnn", "predict", "mine", "so happy today")


def test_the_shipped_model_labels_a_text(run):
    folder = run("python", "-c", "import hf_brnn; print(hf_brnn.PRETRAINED_FOLDER)").strip()
    assert run("hf-brnn", "predict", folder, "so happy today").startswith("POSITIVE")
