import json
import re
import shutil
import signal

import pytest
import torch
from forks import run_in_fork
from processes import run_new_python, run_python, start_training, train, wait_until
from reports import make_report
from transformers import PreTrainedTokenizerFast

from hf_brnn import BrnnConfig, BrnnForSequenceClassification
from hf_brnn.hub.layout import check_model_directory
from hf_brnn.hub.save import save_model_directory
from hf_brnn.inference.classifier import TorchClassifier
from hf_brnn.model.tokenization_brnn import train_tokenizer

PULL = """
import json, sys
from transformers import (AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification,
                          AutoTokenizer, pipeline)
where = {"revision": sys.argv[2]} if len(sys.argv) > 2 else {}
where["trust_remote_code"] = True
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1], **where)
batch = tokenizer(["so happy today"], return_tensors="pt")
states = AutoModel.from_pretrained(sys.argv[1], **where)(**batch).last_hidden_state
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1], **where)
tokens = AutoModelForTokenClassification.from_pretrained(sys.argv[1], **where)(**batch).logits
classifier = pipeline("text-classification", model=sys.argv[1], **where)
print(json.dumps({"states": list(states.shape), "tokens": list(tokens.shape), "classes": type(model).__module__,
                  "logits": model(**batch).logits[0].tolist(), "answer": classifier("so happy today")[0]}))
"""


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("push") / "small")


def make_folder(folder, seed=0):
    tokenizer = train_tokenizer(["so happy today", "what a sad day"], 20)
    torch.manual_seed(seed)
    config = BrnnConfig(vocab_size=len(tokenizer), embedding_size=8, hidden_size=6, initializer_range=1.0)
    save_model_directory(folder, BrnnForSequenceClassification(config), tokenizer, make_report())
    return folder


def push(folder, *arguments, check=True, **environment):
    return run_python(
        "scripts/push_to_hub.py", folder, "--repo_id", "alice/tweets", *arguments, check=check, **environment
    )


def pull(tmp_path, *arguments, **environment):
    run = run_new_python if environment else run_in_fork
    return json.loads(run("-c", PULL, "alice/tweets", *arguments, cwd=tmp_path, **environment).stdout)


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pushed(server, branch="main"):
    commit = server.repositories["alice/tweets"].find(branch)
    return {name: content for name, content in commit.files.items() if name != ".gitattributes"}


def test_a_pushed_folder_is_one_commit_and_loads_by_every_road(server, small_folder, tmp_path):
    process = push(small_folder)
    assert pushed(server) == files_of(small_folder)
    assert len(server.repositories["alice/tweets"].commits) == 2
    assert server.repositories["alice/tweets"].branches["main"] in process.stdout
    found = pull(tmp_path)
    assert found["states"][-1] == 12
    assert found["tokens"][-1] == 2
    assert found["classes"].startswith("transformers_modules.")
    assert found["answer"]["score"] == pytest.approx(TorchClassifier(small_folder)(["so happy today"]).max(), abs=1e-5)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(small_folder)
    model = BrnnForSequenceClassification.from_pretrained(small_folder).eval()
    with torch.no_grad():
        expected = model(**tokenizer(["so happy today"], return_tensors="pt")).logits[0]
    assert found["logits"] == pytest.approx(expected.tolist(), abs=1e-5)
    requests = len(server.requests)
    assert pull(tmp_path, HF_HUB_OFFLINE="1") == found
    assert len(server.requests) == requests


def test_a_pinned_revision_keeps_loading_after_a_newer_push(server, small_folder, tmp_path):
    push(small_folder)
    first = server.repositories["alice/tweets"].branches["main"]
    before = pull(tmp_path)
    push(make_folder(tmp_path / "newer", seed=1))
    assert pull(tmp_path)["logits"] != before["logits"]
    assert pull(tmp_path, first)["logits"] == before["logits"]


def test_a_training_pushes_its_folder_when_it_ends(server, tmp_path):
    short = ("--num_train_epochs", 1, "--max_rows", 200)
    process = train(tmp_path / "tweets", *short, "--push_to_hub", "--hub_private_repo", True)
    assert pushed(server) == files_of(tmp_path / "tweets")
    assert server.repositories["alice/tweets"].private
    assert server.repositories["alice/tweets"].branches["main"] in process.stdout
    assert len(server.repositories["alice/tweets"].commits) == 2
    assert "hub_" not in (tmp_path / "tweets" / "training_config.yaml").read_text()
    assert "push_to_hub" not in (tmp_path / "tweets" / "training_config.yaml").read_text()


def test_a_signal_while_pushing_leaves_the_saved_folder_and_says_so(server, tmp_path):
    server.stalled = "POST .*/commit/"
    process = start_training(
        tmp_path / "tweets", "--num_train_epochs", 1, "--max_rows", 200, "--push_to_hub", "--hub_model_id", "tweets"
    )
    wait_until(lambda: any(re.search(server.stalled, request) for request in server.requests), process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    folder = tmp_path / "tweets"
    last_line = errors.splitlines()[-1]
    assert last_line.startswith(f"Stopped by SIGINT. {folder} is saved, but not pushed. Push it with hf-brnn push")
    check_model_directory(folder)


@pytest.mark.parametrize(
    ("environment", "repo_id", "message"),
    [({"HF_TOKEN": ""}, "alice/tweets", "hf auth login"), ({}, "bob/tweets", "no write access to bob/tweets")],
)
def test_a_training_that_could_not_push_does_not_begin(server, tmp_path, environment, repo_id, message):
    arguments = ("--push_to_hub", "--hub_model_id", repo_id)
    process = train(tmp_path / "tweets", *arguments, check=False, **environment)
    assert message in process.stderr
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "tweets.checkpoints").exists()


def test_a_branch_is_pushed_to_without_touching_main(server, small_folder):
    push(small_folder, "--revision", "v1", "--private")
    assert server.repositories["alice/tweets"].private
    assert pushed(server, "v1") == files_of(small_folder)
    assert not pushed(server)


def test_what_a_newer_folder_lacks_is_removed(server, small_folder, tmp_path):
    folder = shutil.copytree(small_folder, tmp_path / "model")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"graph")
    push(folder)
    push(small_folder)
    assert pushed(server) == files_of(small_folder)


def test_what_python_and_downloads_leave_is_not_pushed(server, small_folder, tmp_path):
    folder = shutil.copytree(small_folder, tmp_path / "model")
    for name in ("__pycache__/handler.cpython-311.pyc", ".cache/huggingface/download/config.json.lock"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("left")
    (folder / ".gitattributes").write_text("*.safetensors filter=lfs")
    for _ in range(2):
        push(folder)
        assert pushed(server) == files_of(small_folder)


def test_without_trust_the_usual_refusal_comes(server, small_folder, tmp_path):
    push(small_folder)
    code = "from transformers import AutoModel; AutoModel.from_pretrained('alice/tweets')"
    process = run_in_fork("-c", code, cwd=tmp_path, check=False)
    assert "trust_remote_code=True" in process.stderr


def test_a_dry_run_lists_the_files_and_sends_nothing(server, small_folder):
    process = push(small_folder, "--dry_run")
    for name in files_of(small_folder):
        assert name in process.stdout
    assert not server.requests


@pytest.mark.parametrize(
    ("environment", "repo_id", "message"),
    [
        ({"HF_TOKEN": ""}, "alice/tweets", "not logged in"),
        ({}, "bob/tweets", "no write access to bob/tweets"),
    ],
)
def test_a_refusal_is_one_clear_line(server, small_folder, environment, repo_id, message):
    process = push(small_folder, "--repo_id", repo_id, check=False, **environment)
    assert process.returncode == 1
    assert message in process.stderr.strip().splitlines()[-1]
    assert "Traceback" not in process.stderr
    assert not server.repositories


def test_a_repository_with_other_content_is_left_alone(server, small_folder):
    push(small_folder)
    repository = server.repositories["alice/tweets"]
    repository.add_commit("main", "mine", {"thesis.txt": b"years of work"})
    process = push(small_folder, check=False)
    assert "not part of a model directory: thesis.txt" in process.stderr
    assert "Traceback" not in process.stderr
    assert pushed(server) == {"thesis.txt": b"years of work"}


def test_another_model_of_the_hub_is_left_alone(server, small_folder):
    push(small_folder)
    files = {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"weights", "README.md": b"mine"}
    server.repositories["alice/tweets"].add_commit("main", "mine", files)
    process = push(small_folder, check=False)
    assert "config.json of another model" in process.stderr
    assert pushed(server) == files


def test_another_model_on_the_branch_is_left_alone_too(server, small_folder):
    push(small_folder)
    push(small_folder, "--revision", "v1")
    files = {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"weights", "README.md": b"mine"}
    server.repositories["alice/tweets"].add_commit("v1", "mine", files)
    process = push(small_folder, "--revision", "v1", check=False)
    assert "config.json of another model" in process.stderr
    assert pushed(server, "v1") == files


@pytest.mark.parametrize("request_line", ["POST .*/commit/", pytest.param("PUT /objects/", marks=pytest.mark.slow)])
def test_a_lost_connection_shows_no_half_and_a_second_call_completes(server, small_folder, request_line):
    server.broken = request_line
    process = push(small_folder, check=False)
    assert "connection to the Hub was lost" in process.stderr
    assert "Traceback" not in process.stderr
    assert not pushed(server)
    server.broken = None
    push(small_folder)
    assert pushed(server) == files_of(small_folder)


def test_a_card_that_the_hub_finds_wrong_is_not_pushed(server, small_folder, tmp_path):
    folder = shutil.copytree(small_folder, tmp_path / "model")
    card = (folder / "README.md").read_text()
    (folder / "README.md").write_text(card.replace("license: apache-2.0\n", "license: mine\n"))
    process = push(folder, check=False)
    assert '"license" must be one of' in process.stderr
    assert not server.repositories


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("README.md", "---\n[\n---\n", "is not valid"),
        ("optimizer.pt", "pickle", "optimizer.pt"),
        ("LICENSE", "mine", "not part of a model directory: LICENSE. Move them"),
        ("onnx/notes.txt", "mine", "not part of a model directory: onnx/notes.txt"),
        ("onnx/model.onnx", f"weights_sha256 {'0' * 64}", "was exported from other weights"),
        ("model.safetensors", None, "has no model.safetensors"),
        ("model.safetensors", "version https://git-lfs.github.com/spec/v1", "holds no complete sequence classifier"),
        ("modeling_brnn.py", None, "has no modeling_brnn.py"),
    ],
)
def test_a_folder_that_is_not_whole_or_holds_more_is_refused(server, small_folder, tmp_path, name, content, message):
    folder = shutil.copytree(small_folder, tmp_path / "model")
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    process = push(folder, check=False)
    assert message in process.stderr
    assert "Traceback" not in process.stderr
    assert not server.requests
