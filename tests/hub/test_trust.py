"""What a run asks for over the network, and what it writes down of the machine it ran on."""

import shutil
import signal

import pytest
from processes import REPOSITORY, checkpoints_of, run_python, start_training, train, wait_for_checkpoints

from hf_brnn.data.arguments import SAMPLE_FILE

SHORT = ("--num_train_epochs", 2, "--max_rows", 400, "--validation_size", 40, "--test_size", 40)


def test_local_files_need_no_network(server, exported_folder, tmp_path):
    folder = shutil.copytree(exported_folder, tmp_path / "model")
    rows = tmp_path / "rows.csv"
    rows.write_text("label,text\npositive,so happy today\nnegative,worst day ever\n", encoding="utf-8")
    for script, *arguments in (
        ("train.py", "--output_dir", tmp_path / "run", *SHORT),
        ("export_onnx.py", tmp_path / "run"),
        ("predict.py", "--model", folder, "some text"),
        ("evaluate_model.py", "--model", folder, "--data_files", rows, "--output_dir", tmp_path / "evaluation"),
        ("push_to_hub.py", folder, "--repo_id", "alice/name", "--dry_run"),
    ):
        run_python(REPOSITORY / "scripts" / script, *arguments, cwd=tmp_path)
    load = (
        f"from transformers import pipeline; pipeline('text-classification', {str(folder)!r}, trust_remote_code=True)"
    )
    run_python("-c", load, cwd=tmp_path)
    assert server.requests == []


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("train.py", ("--dataset_name", "stanfordnlp/sentiment140")),
        pytest.param("train.py", ("--dataset_name", "stanfordnlp/sentiment140", "--streaming"), marks=pytest.mark.slow),
        pytest.param("predict.py", ("--model", "alice/model", "some text"), marks=pytest.mark.slow),
        pytest.param("evaluate_model.py", ("--model", "alice/model", "--checklist"), marks=pytest.mark.slow),
    ],
)
def test_offline_what_is_not_there_ends_in_an_error_at_once(server, tmp_path, script, arguments):
    process = run_python(REPOSITORY / "scripts" / script, *arguments, cwd=tmp_path, check=False, HF_HUB_OFFLINE="1")
    assert process.returncode == 1
    assert arguments[1] in process.stderr
    assert "Traceback" not in process.stderr
    assert server.requests == []


def test_nothing_that_is_saved_holds_a_token_a_user_or_a_path(tmp_path):
    secrets = {"HF_TOKEN": "hf_secretsecret", "USER": "somebody_s_name", "HOSTNAME": "somebody_s_machine"}
    home = tmp_path / "somebody_s_folder"
    home.mkdir()
    rows = shutil.copy(SAMPLE_FILE, home / "rows.csv")
    arguments = ("--data_files", rows, "--hub_token", "hf_secretsecret", "--num_train_epochs", 2)
    train(home / "run", *arguments, **secrets)
    run_python("scripts/export_onnx.py", home / "run", **secrets)
    process = start_training(home / "stopped", *arguments, "--num_train_epochs", 50)
    wait_for_checkpoints(process, home / "stopped", 1)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    checkpoint = checkpoints_of(home / "stopped")[-1]
    state = checkpoint / "trainer_state.json"  # it names the best checkpoint
    files = [path for path in [*(home / "run").rglob("*"), *checkpoint.iterdir()] if path.is_file() and path != state]
    assert len(files) > 15
    for path in files:
        content = path.read_bytes()
        for secret in (*secrets.values(), "somebody_s_folder"):
            assert secret.encode() not in content, path
