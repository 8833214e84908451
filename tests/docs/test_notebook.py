import re
from math import sqrt

import nbformat
import pytest
from processes import REPOSITORY, run_python

COMMITTED = REPOSITORY / "docs" / "tutorial.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook as a new kernel executes it."""
    path = tmp_path_factory.mktemp("notebook") / "tutorial.ipynb"
    run_python("tests/helpers/execute_notebook.py", "--output", path)
    return path


@pytest.fixture(params=["committed", pytest.param("executed", marks=pytest.mark.slow)])
def outputs(request):
    """The outputs of the notebook's code cells, as its readers find them and as they are made anew."""
    path = COMMITTED if request.param == "committed" else request.getfixturevalue("executed")
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert all(cell.outputs for cell in cells)
    return [output for cell in cells for output in cell.outputs]


def text_of(outputs):
    return "\n".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs)


def test_it_runs_without_error_or_warning(outputs):
    assert {output.output_type for output in outputs} <= {"execute_result", "display_data", "stream"}
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []


def test_the_model_is_better_than_the_most_frequent_label(outputs):
    text = text_of(outputs)
    sizes = [int(size) for size in re.findall(r"^(?:NEGATIVE|POSITIVE) +(\d+)$", text, flags=re.MULTILINE)]
    accuracy, rows = map(float, re.search(r"^ +accuracy +([\d.]+) +(\d+)$", text, flags=re.MULTILINE).groups())
    share = max(sizes) / sum(sizes)
    assert accuracy > share + 5 * sqrt(share * (1 - share) / rows)


def test_its_model_its_plot_and_its_answer_are_there(outputs):
    text = text_of(outputs)
    assert re.search(r"\(forward_rnn\): LSTM\(", text)
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1
    assert re.search(r"\[{'label': '(NEGATIVE|POSITIVE)', 'score': 0\.\d+}\]", text)


def test_it_reports_each_class_and_explains_a_prediction(outputs):
    text = text_of(outputs)
    for label in ("NEGATIVE", "POSITIVE"):
        assert re.search(rf"^ +{label} +[\d.]+ +[\d.]+ +[\d.]+ +\d+$", text, flags=re.MULTILINE)
    effects = dict(re.findall(r"^\d+ +(\w+) +(-?\d+\.\d+)$", text, flags=re.MULTILINE))
    assert float(effects["happy"]) * float(effects["late"]) < 0


def test_fine_tuning_beats_training_from_scratch_on_few_rows(outputs):
    found = re.findall(r"^\d+ +(from scratch|fine-tuned) +\d+ +([\d.]+)", text_of(outputs), flags=re.MULTILINE)
    accuracy = {name: float(value) for name, value in found}
    assert accuracy["fine-tuned"] > accuracy["from scratch"]


def test_the_committed_one_names_no_folder_and_no_time_of_a_machine():
    text = COMMITTED.read_text(encoding="utf-8")
    assert not re.search("/(home|root|tmp|usr|Users)/", text)
    assert "iopub" not in text
