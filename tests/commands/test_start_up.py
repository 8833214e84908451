"""Mistakes are reported before anything that takes seconds to import."""

import json

import pytest
from processes import run_new_python

from hf_brnn import PRETRAINED_FOLDER

HEAVY = ["torch", "transformers", "datasets", "evaluate", "pandas", "sklearn", "matplotlib", "gradio", "ray", "onnx"]
# Runs the command of the arguments and prints which of these modules it has loaded.
RUN = f"""
import importlib, json, sys
code = 0
try:
    importlib.import_module("hf_brnn.commands." + sys.argv[1]).main(sys.argv[2:])
except SystemExit as ended:
    code = ended.code
print("\\n" + json.dumps([code, sorted(set({HEAVY!r}) & set(sys.modules))]))
"""
MISTAKES = {
    "train": [
        ["EXISTING", "--num_train_epochs", "nan"],
        ["EXISTING", "--test_size", "-1"],
        ["EXISTING", "--lr", "1"],
        ["EXISTING", "EXISTING"],
        ["MODEL"],
    ],
    "evaluate": [
        ["MODEL"],
        ["MODEL", "--data_file", "x.csv"],
        ["MODEL", "--data_files", "none.csv"],
        ["MODEL", "EXISTING"],
        ["MODEL", "--data_files", "EXISTING", "--split_seed", "1"],
        ["/none", "--checklist"],
        ["a/b/c", "--data_files", "EXISTING"],
    ],
    "compare": [
        ["MODEL"],
        ["MODEL", "MODEL"],
        ["MODEL", "MODEL", "--data_files", "none.csv"],
        ["MODEL", "/none", "--data_files", "EXISTING"],
        ["MODEL", "MODEL", "--data_files", "EXISTING", "--n_resamples", "0"],
    ],
    "predict": [
        [],
        ["MODEL", "--inptu", "x.csv"],
        ["MODEL", "--input", "none.csv", "--output", "out.csv"],
        ["MODEL", "--input", "EXISTING", "--output", "out.doc"],
        ["MODEL", "EXISTING"],
        ["EXISTING", "a text"],
        ["/none", "a text"],
    ],
    "export": [[], ["MODEL", "--fast"], ["/none"]],
    "push": [["MODEL"], ["MODEL", "--repo", "a/b"], ["/none", "--repo_id", "a/b"]],
    "serve": [["/none"], ["MODEL", "--prot", "80"], ["MODEL", "--port", "80000"]],
    "demo": [["/none"], ["MODEL", "--port", "80"]],
}


@pytest.mark.parametrize(
    ("command", "arguments"),
    [(command, arguments) for command, cases in MISTAKES.items() for arguments in [["--help"], *cases]],
    ids=lambda value: value if isinstance(value, str) else " ".join(value) or "no arguments",
)
def test_help_and_mistakes_load_nothing_heavy(command, arguments, tmp_path):
    (tmp_path / "texts.csv").write_text("text,label\nx,0\n")
    places = {"MODEL": str(PRETRAINED_FOLDER), "EXISTING": "texts.csv"}
    process = run_new_python(
        "-c", RUN, command, *(places.get(a, a) for a in arguments), cwd=tmp_path, HF_HUB_OFFLINE="1"
    )
    code, loaded = json.loads(process.stdout.splitlines()[-1])
    assert loaded == []
    if arguments == ["--help"]:
        assert code == 0
        assert process.stdout.partition("examples:")[2].count("\n  hf-brnn ") >= 2
    else:
        message = code if isinstance(code, str) else process.stderr
        assert message.startswith(f"hf-brnn {command}: error: ")
        assert len(message.strip().splitlines()) == 1


def test_a_label_that_the_model_does_not_have_is_reported_before_torch_is_loaded(tmp_path):
    (tmp_path / "reviews.csv").write_text("text,label\nx,unknown\n")
    arguments = ("evaluate", PRETRAINED_FOLDER, "--data_files", "reviews.csv")
    process = run_new_python("-c", RUN, *arguments, cwd=tmp_path)
    code, loaded = json.loads(process.stdout.splitlines()[-1])
    assert "reviews.csv, line 2: label 'unknown' is not one of" in code
    assert not {"torch", "transformers"} & set(loaded)


# Presses Ctrl-C when a module is about to be imported.
INTERRUPT = """
import os, signal, sys
late, *arguments = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell that runs in the background ignores
sys.addaudithook(lambda event, found: event == "import" and found[0] == late and os.kill(os.getpid(), signal.SIGINT))
from hf_brnn.commands.main import main
main(arguments)
"""


@pytest.mark.parametrize(
    ("late", "arguments"),
    [
        ("hf_brnn.data.rows", ["train"]),
        ("torch", ["train"]),
        ("torch", ["evaluate", PRETRAINED_FOLDER, "--checklist"]),
        ("onnxruntime", ["predict", PRETRAINED_FOLDER, "a text"]),
    ],
)
def test_ctrl_c_while_something_is_imported_ends_a_command_with_one_line(tmp_path, late, arguments):
    process = run_new_python("-c", INTERRUPT, late, *arguments, cwd=tmp_path, check=False)
    assert process.stderr == "Stopped.\n"
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_the_package_itself_loads_nothing_heavy():
    process = run_new_python("-c", f"import hf_brnn, sys; print(set({HEAVY!r}) & set(sys.modules))")
    assert process.stdout == "set()\n"


@pytest.mark.parametrize(
    "script", ["evaluate_model", "compare", "predict", "export_onnx", "push_to_hub", "serve", "demo"]
)
def test_each_script_is_its_command(script):
    process = run_new_python(f"scripts/{script}.py", "--help")
    command = script.partition("_")[0]
    assert f"usage: hf-brnn {command}" in process.stdout
