"""Command lines typed in a hurry: each ends with a short message that says what is wrong and what to do."""

import importlib
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import run_main
from models import save_model

from hf_brnn import PRETRAINED_FOLDER
from hf_brnn.commands.main import main
from hf_brnn.commands.parser import COMMANDS
from hf_brnn.data.problem_type import REGRESSION, SINGLE_LABEL
from hf_brnn.training.options import all_options

NAMES = ["bar", "caf\u00e9"]
ROWS = "".join(f"{text} {row},{label}\n" for row in range(20) for text, label in (("so happy", 1), ("so sad", 0)))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Models of other labels than those of the package's."""
    folder = tmp_path_factory.mktemp("models")
    texts = ["so happy", "so sad", "so so"] * 20
    save_model(folder / "cafe", SINGLE_LABEL, NAMES, texts)
    save_model(folder / "stars", SINGLE_LABEL, ["4", "5"], texts)
    save_model(folder / "number", REGRESSION, ["stars"], texts)
    return folder


@pytest.fixture
def run(models, tmp_path, monkeypatch, capsys):
    """Runs a command line in a folder of files, in which M is the model of the package."""
    monkeypatch.chdir(tmp_path)
    for name in ("good.csv", "out/predictions.csv", "rows/a.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text,label\n" + ROWS)
    (tmp_path / "header.csv").write_text("text,label\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "bad.csv").write_text("text,label\na,b,c\n")
    (tmp_path / "recipe.yaml").write_text("num_train_epochs: 1\n")
    (tmp_path / "shards").mkdir()
    pq.write_table(pa.table({"text": ["x"]}), tmp_path / "shards" / "a.parquet")

    def run(line):
        places = {"M": str(PRETRAINED_FOLDER), "EMPTY": ""}
        places |= {name.upper(): str(models / name) for name in ("cafe", "stars", "number")}
        return run_main(main, *(places.get(word, word) for word in line.split()), capsys=capsys)

    return run


@pytest.mark.parametrize(
    ("line", "message"),
    [
        # train
        ("train good.csv good.csv", "good.csv is named twice"),
        ("train good.csv ./good.csv", "./good.csv is named twice, also as good.csv"),
        ("train good.csv --validation_files good.csv", "good.csv is in both data_files and validation_files"),
        ("train good.csv --held_out_files good.csv", "good.csv is in both data_files and held_out_files"),
        ("train good.csv --held_out_files", "--held_out_files: expected at least one argument"),
        ("train good.csv --held_out_files none*.csv", "none*.csv: no file matches this pattern. Check the path."),
        ("train good.csv --validation_files header.csv", "header.csv: no row with text and label."),
        ("train good.csv --validation_files a.csv --validation_files b.csv", "--validation_files is given twice"),
        ("train good.csv --dataset_name sample", "dataset_name is 'sample', which is for a data set on the Hub"),
        ("train --dataset_name good.csv", "give --data_files good.csv instead"),
        ("train --dataset_name sampel", "Did you mean sample?"),
        ("train goood.csv", "goood.csv: no such file. Did you mean good.csv?"),
        ("train none/a.csv", "the folder none does not exist. Check the path."),
        ("train https://example.com/a.csv", "https://example.com/a.csv is a URL, but files must be local. Download it"),
        ("train EMPTY", "The name of a file is empty."),
        ("train M", "is a model directory, but files of rows were expected"),
        ("train recipe.yaml", "If it is a recipe, give it to train: --config recipe.yaml"),
        ("train good.csv --config quickstrat", "Did you mean quickstart?"),
        ("train good.csv --label_column labl", "Did you mean --label_column label?"),
        ("train good.csv --label_names 5 6", "label '1' is not one of 5, 6"),
        ("train good.csv --label_names A A", "label_names is ['A', 'A'], but must be"),
        ("train good.csv --text_column label", "column 'label' can't hold both the texts and the labels"),
        ("train good.csv --lr 1", "Did you mean --learning_rate?"),
        ("train good.csv --batch_size 1", "Did you mean --per_device_train_batch_size?"),
        ("train good.csv -epochs 3", "Did you mean --num_train_epochs?"),
        ("train good.csv --eval_strategy epochs", "eval_strategy is 'epochs', but must be no or steps or epoch"),
        ("train good.csv --output_dir EMPTY", "output_dir is empty"),
        ("train good.csv --output_dir good.csv/run", "is not a directory. Choose another path."),
        ("train header.csv", "header.csv: no row with text and label. Name another"),
        ("train bad.csv --skip_bad_rows", "bad.csv: no row with text and label besides the skipped ones."),
        # evaluate
        ("evaluate good.csv", "'good.csv' is a file, but a model was expected"),
        ("evaluate good.csv --data_files M", "'good.csv' is a file, but a model was expected"),
        ("evaluate M good.csv", "unexpected argument 'good.csv'. To read rows from it, give --data_files good.csv"),
        ("evaluate --data_files good.csv M", "is a model directory, but --data_files names files of rows. Name models"),
        ("evaluate M --data_files good.csv good.csv", "good.csv is named twice"),
        ("evaluate M --data_files header.csv", "header.csv: no row with text and label."),
        ("evaluate M --data_files empty.csv", "the file has no header line. Write one, such as text,label."),
        ("evaluate M --data_files good.csv --label_names A B", "Leave out --label_names."),
        ("evaluate M --data_files good.csv --batch_size 0", "--batch_size is 0, expected 1 or more"),
        ("evaluate M --data_files good.csv --test_size 2", "unknown option --test_size, which is one of hf-brnn train"),
        ("evaluate M --data_files good.csv --streaming", "unknown option --streaming, which is one of hf-brnn train"),
        (
            "evaluate M --data_files good.csv --split_seed 3",
            "--split_seed is the seed of --max_rows, which is not given",
        ),
        (
            "evaluate M --data_files good.csv --max_rows 9 --split_seed -1",
            "split_seed is -1, but must be between 0 and",
        ),
        ("evaluate M --data_files good.csv --dataset_split test", "--dataset_split is for a data set on the Hub"),
        ("evaluate M --data_files good.csv --dataset_name sample", "--dataset_name is for a data set on the Hub"),
        ("evaluate M --dataset_name sample --dataset_split test", "sample is an embedded one. Leave it out."),
        ("evaluate M --dataset_name a/b --delimiter ;", "--delimiter is for files, but"),
        ("evaluate M --checklist --text_column text", "--text_column is for rows, but none are named"),
        ("evaluate M --data_files good.csv --output_dir good.csv", "good.csv is a file, expected a directory"),
        ("evaluate M --data_files good.csv --output_dir good.csv/x", "is not a directory. Choose another path."),
        ("evaluate M --data_files good.csv --output_dir EMPTY", "the name is empty"),
        ("evaluate M --data_files out/predictions.csv --output_dir out", "would replace out/predictions.csv"),
        ("evaluate STARS --data_files good.csv", "label '1' is not one of 4, 5"),
        ("evaluate NUMBER --data_files good.csv --label_columns a b", "name a column for each with --label_columns"),
        # compare
        ("compare M good.csv", "'good.csv' is a file, but a model was expected"),
        ("compare M M good.csv", "To read rows from it, give --data_files good.csv"),
        ("compare M M --data_files good.csv --revision main", "Did you mean --revision_b?"),
        ("compare M M --data_files good.csv --seed -1", "--seed is -1, expected 0 or more"),
        ("compare M NUMBER --data_files good.csv", "the problem type is regression, but compare is for"),
        ("compare M CAFE --data_files good.csv", "Compare models with the same labels."),
        ("compare M M --data_files good.csv --label_names A B", "unknown option --label_names, which is one of"),
        # predict
        ("predict good.csv", "'good.csv' is a file, but a model was expected"),
        ("predict good.csv M", "hf-brnn predict MODEL --input good.csv --output scored.csv"),
        ("predict --model M good.csv", "use --input good.csv --output scored.csv"),
        ("predict M none.csv", "'none.csv' looks like a file, but a text was expected"),
        ("predict M ./rows", "'./rows' is a directory, but a text was expected"),
        ("predict M --input *.csv --output out.csv", "--input *.csv: a pattern, but --input takes one file"),
        ("predict M --input a.csv --input b.csv --output out.csv", "--input is given twice. Leave one out."),
        ("predict M --input god.csv --output out.csv", "god.csv: no such file. Did you mean good.csv?"),
        ("predict M --input good.csv --output ./good.csv", "is also the input, which would be replaced"),
        ("predict M --input good.csv --output good.csv/out.csv", "is not a directory. Choose another path."),
        ("predict M --input good.csv --output https://a.b/c.csv", "is a URL, but must be a local file"),
        ("predict M --input https://a.b/c.csv --output out.csv", "is a URL, but files must be local"),
        ("predict M so --text_column text", "--text_column is for --input FILE, but texts are given"),
        ("predict M --data_files good.csv", "Did you mean --input?"),
        ("predict M --input shards --output o --engine ray --encoding utf-8", "--encoding is for text files, but"),
        ("predict M --input shards --output good.csv --engine ray", "--output good.csv is a file, but --engine ray"),
        ("predict M --input good.csv --output o.csv --delimiter tab", "must be one character; for a tab, $'\\t'"),
        ("predict EMPTY so", "The name of the model is empty."),
        # export, push, serve and demo
        ("export good.csv", "good.csv is not a model directory: it is a file"),
        ("export rows", "rows is not a model directory: it has no config.json"),
        (
            "export M --output_dir out",
            "unknown option --output_dir, which is one of hf-brnn train and hf-brnn evaluate",
        ),
        ("push", "name the model directory"),
        ("push M", "--repo_id USER/NAME"),
        ("push M user/name", "To name the repository, give --repo_id user/name"),
        ("push M --repo_id a/b/c --dry_run", "--repo_id is 'a/b/c', but must be USER/NAME"),
        ("push M --repo_id https://huggingface.co/a/b --dry_run", "but must be USER/NAME"),
        ("push M --repo_id EMPTY --dry_run", "--repo_id is '', but must be USER/NAME"),
        ("push good.csv --repo_id a/b", "it is a file"),
        ("serve M --host EMPTY", "--host is empty"),
        ("demo M --port 80", "unknown option --port, which is one of hf-brnn serve"),
        ("demo M --space good.csv/space", "is not a directory. Choose another path."),
        ("trian good.csv", "unknown command 'trian'. Did you mean train?"),
    ],
)
def test_a_mistake_ends_with_what_is_wrong_and_what_to_do(run, tmp_path, line, message):
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    ended = run(line)
    assert ended.code != 0
    assert message in ended.stderr
    assert len(ended.stderr.splitlines()) <= 14
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


NUMBERS = [option for option in all_options().values() if option.kind in ("int", "float")]


@pytest.mark.parametrize("value", ["nan", "inf", "-2"])
@pytest.mark.parametrize("option", NUMBERS, ids=lambda option: option.name)
def test_a_number_out_of_range_is_refused_with_the_range(run, option, value):
    ended = run(f"train good.csv --{option.name} {value}")
    assert ended.code != 0
    assert f"{option.name} is " in ended.stderr
    assert value in ended.stderr
    assert "but must be " in ended.stderr
    assert "finite" not in ended.stderr


def test_each_option_is_spelled_with_dashes_too_and_means_the_same_in_every_command():
    kinds = {}
    for command in COMMANDS:
        parser = importlib.import_module(f"hf_brnn.commands.{command}").build_parser()
        for spelling, action in parser._option_string_actions.items():
            if not spelling.startswith("--") or not parser._is_shown(spelling):
                continue
            assert parser._underscored(spelling.replace("_", "-").replace("--", "--", 1)) == spelling
            assert spelling == "--" + spelling[2:].replace("-", "_")
            option = all_options().get(action.dest) if command == "train" else None
            kind = option.kind if option else "bool" if action.nargs == 0 else getattr(action.type, "__name__", "str")
            is_list = action.nargs == "+"
            kind = {"path_argument": "str"}.get(kind, kind)
            other, found = kinds.setdefault(spelling, (command, (kind, is_list)))
            assert found == (kind, is_list), f"{spelling} of {command} and of {other}"


@pytest.mark.parametrize(
    ("model", "labels"),
    [
        ("M", ["negative", "Positive"]),
        ("M", [" NEGATIVE ", "POSITIVE\t"]),
        ("STARS", ["4.0", " 5.0"]),
        ("CAFE", ["BAR", "cafe\u0301"]),
    ],
)
def test_labels_are_those_of_the_model_in_any_case_form_and_spacing(run, tmp_path, model, labels):
    (tmp_path / "other.csv").write_text(
        "text,label\n" + "".join(f"so so {row},{labels[row % 2]}\n" for row in range(8))
    )
    ended = run(f"evaluate {model} --data_files other.csv --output_dir results")
    assert ended.code == 0, ended.stderr
    assert "rows" in (tmp_path / "results" / "metrics.json").read_text()


def test_a_wrong_label_gets_a_suggestion(run, tmp_path):
    (tmp_path / "other.csv").write_text("text,label\nx,POSITIV\ny,NEGATIVE\n")
    ended = run("evaluate M --data_files other.csv")
    assert "label 'POSITIV' is not one of NEGATIVE, POSITIVE. Did you mean POSITIVE?" in ended.stderr


# What a symbolic link points to is replaced, and the link stays.


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_as_output_of_predict_stays(run, tmp_path, exists):
    target, link = tmp_path / "elsewhere" / "scored.csv", tmp_path / "link.csv"
    target.parent.mkdir()
    if exists:
        target.write_text("old")
    link.symlink_to(target)
    assert run("predict M --input good.csv --output link.csv").code == 0
    assert link.is_symlink()
    assert target.read_text().startswith("text,label,predicted_label,score\n")
    assert [path.name for path in target.parent.iterdir()] == ["scored.csv"]


def test_a_link_to_the_input_is_no_output(run, tmp_path):
    (tmp_path / "link.csv").symlink_to("good.csv")
    assert "which would be replaced" in run("predict M --input good.csv --output link.csv").stderr


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_as_output_directory_of_evaluate_stays(run, tmp_path, exists):
    target, link = tmp_path / "elsewhere", tmp_path / "link"
    if exists:
        target.mkdir()
    link.symlink_to(target)
    assert run("evaluate M --data_files good.csv --output_dir link").code == 0
    assert link.is_symlink()
    assert (target / "predictions.csv").is_file()


def test_a_link_in_place_of_the_graphs_stays(run, float_model, tmp_path):
    folder, target = shutil.copytree(float_model, tmp_path / "model"), tmp_path / "graphs"
    target.mkdir()
    (folder / "onnx").symlink_to(target)
    ended = run("export model")
    assert ended.code == 0, ended.stderr
    assert (folder / "onnx").is_symlink()
    assert sorted(path.name for path in target.iterdir()) == ["model.onnx", "model_quantized.onnx"]
    (target / "model.onnx").rename(tmp_path / "other.onnx")
    (target / "model.onnx").symlink_to(tmp_path / "other.onnx")
    ended = run("export model")
    assert "model.onnx is a symbolic link" in ended.stderr
    assert (target / "model.onnx").is_symlink()


def test_a_broken_link_in_place_of_a_shard_is_refused(run, tmp_path):
    (tmp_path / "scored").mkdir()
    (tmp_path / "scored" / "a.parquet").symlink_to(tmp_path / "none.parquet")
    ended = run("predict M --input shards --output scored --engine ray")
    assert "scored/a.parquet is a broken symbolic link" in ended.stderr
