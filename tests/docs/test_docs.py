"""The code blocks of README and docs run as a user runs them. A comment above a block says why it doesn't run; then its
commands are parsed."""

import argparse
import ast
import importlib
import importlib.util
import itertools
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import metadata
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt
from packaging.requirements import Requirement
from processes import REPOSITORY

from hf_brnn.commands.main import COMMANDS
from hf_brnn.commands.parser import CommandParser
from hf_brnn.training.arguments import build_arguments
from hf_brnn.training.options import read_recipe, recipe_path

DOCS = REPOSITORY / "docs"
PAGES = sorted([*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md")])
PAGES.remove(REPOSITORY / "model_card.md")
MAX_LINES = 150
MAX_LINES_OF_README = 140
# The first page that trains or scores in some way runs with every test, the others with the slow ones.
MARKS = {
    "browser.md": ("node",),
    "fine_tune.md": ("slow",),
    "compare.md": ("slow",),
    "doubt.md": ("slow",),
    "learning_curve.md": ("slow",),
    "more_labels.md": ("slow",),
    "regression.md": ("slow",),
    "scale.md": ("ray", "slow"),
    "several_labels.md": ("slow",),
    "study.md": ("slow",),
    "several_gpus.md": ("slow",),
    "stream.md": ("slow",),
    "token_classification.md": ("slow",),
    "train_on_my_data.md": ("slow",),
    "trainer.md": ("slow",),
}
NOT_RUN = re.compile(r"<!-- not run: \S.* -->\s*")
COMMAND = re.compile(r"(hf-brnn|python|accelerate launch|make|pip install|npm|hf|ray) ")
ASSIGNMENT = re.compile(r"[A-Z_]+=.*")
PROGRAMS = {
    "bash": ("bash", "-euo", "pipefail", "-c"),
    "python": ("python", "-c"),
    "js": ("node", "--input-type=module", "--eval"),
}
DATA = ("csv", "text", "yaml")
FIELD = "…"


@dataclass
class Block:
    language: str
    source: str
    is_run: bool


def blocks(page):
    """The fenced blocks of a page; one is not run if the comment right above says why."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    return [
        Block(token.info, token.content, not (above.type == "html_block" and NOT_RUN.fullmatch(above.content)))
        for above, token in itertools.pairwise([tokens[0], *tokens])
        if token.type == "fence"
    ]


def blocks_to_run(page):
    return [block for block in blocks(page) if block.is_run and block.language not in DATA]


def spans(page, kind):
    """The inline tokens of a kind: `code_inline`, `link_open`, `image`."""
    tokens = MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))
    return [child for token in tokens for child in token.children or [] if child.type == kind]


def name_of(page):
    return str(page.relative_to(REPOSITORY))


def masked(text):
    """Lines without their numbers, which differ from machine to machine, and with single spaces."""
    return [" ".join(re.sub(r"\d[\d.,]*", "0", line).split()) for line in text.splitlines()]


def marked(page):
    return pytest.param(page, marks=[getattr(pytest.mark, mark) for mark in MARKS.get(page.name, ())])


def copy_web(folder):
    """Puts what `make web` reads into a folder."""
    for name in ("Makefile", "hf_brnn", ".venv"):
        (folder / name).symlink_to(REPOSITORY / name)
    for name in ("constraints.txt", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, folder)
        os.utime(folder / name, (0, 0))  # older than .venv: make installs nothing
    shutil.copytree(REPOSITORY / "web", folder / "web", ignore=shutil.ignore_patterns("node_modules", "dist"))
    (folder / "web" / "node_modules").symlink_to(REPOSITORY / "web" / "node_modules")


@pytest.mark.parametrize("page", [marked(page) for page in PAGES if blocks_to_run(page)], ids=name_of)
def test_the_commands_of_a_page_run_and_print_what_it_shows(page, examples, server, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "user")
    folder = shutil.copytree(examples, tmp_path / "examples")
    text = page.read_text(encoding="utf-8")
    if "```js" in text:
        (folder / "node_modules").symlink_to(REPOSITORY / "web" / "node_modules")
    if any("make " in block.source for block in blocks_to_run(page)):
        copy_web(folder)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
    }
    printed = []
    for language, group in itertools.groupby(blocks_to_run(page), key=lambda block: block.language):
        source = "\n".join(block.source for block in group)
        process = subprocess.run(
            [*PROGRAMS[language], source],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert not process.returncode, f"{source}\n{process.stdout}\n{process.stderr}"
        printed += masked(process.stdout)
    for block in blocks(page):
        for line in masked(block.source) if block.language == "text" and block.is_run else []:
            assert line in ["...", *printed], f"{line!r} is not in\n" + "\n".join(printed)


def commands(page):
    """The commands that a page shows and no test of this file runs: marked blocks, and commands within a sentence."""
    for block in blocks(page):
        if block.language == "bash" and not block.is_run:
            lines = block.source.replace("\\\n", " ").splitlines()
            yield from filter(None, (shlex.split(line, comments=True) for line in lines))
    for span in spans(page, "code_inline"):
        if COMMAND.match(span.content):
            yield shlex.split(span.content)


@pytest.mark.parametrize("page", [page for page in PAGES if any(commands(page))], ids=name_of)
def test_commands_that_are_not_run_name_what_there_is(page, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    for command in commands(page):
        check(command, monkeypatch)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_programs_are_valid_python(page):
    for block in blocks(page):
        if block.language == "python":
            ast.parse(block.source, name_of(page))


def check(command, monkeypatch):
    command = list(itertools.dropwhile(ASSIGNMENT.fullmatch, command))
    match command:
        case ["export", *assignments]:
            assert all(map(ASSIGNMENT.fullmatch, assignments)), command
        case ["hf-brnn", name]:
            assert name in COMMANDS, command
        case ["hf-brnn", name, *arguments]:
            check_command(f"hf_brnn.commands.{name}", arguments, monkeypatch)
        case ["python", "-m", module, *_]:
            assert importlib.util.find_spec(module), command
        case ["python", script, *arguments]:
            check_arguments(lambda: runpy.run_path(script)["main"](arguments), monkeypatch)
        case ["accelerate", "launch", *arguments]:
            check_launch(arguments, monkeypatch)
        case ["make", *arguments]:
            subprocess.run(["make", "--dry-run", *arguments], check=True, capture_output=True)
        case ["pip", "install", *arguments]:
            check_install(arguments)
        case ["npm", "install", package]:
            name, _, version = package.rpartition("@")
            packages = json.loads(Path("web/package.json").read_text(encoding="utf-8"))
            assert packages["dependencies"][name] == version, command
        case ["ray", "job", "submit", *_] if "--" in command:
            end = command.index("--")
            check_options(command[:end])
            check(command[end + 1 :], monkeypatch)
        case ["hf" | "ray", *_]:
            check_options(command)
        case ["curl" | "docker", *_]:  # nothing of ours is in their options
            pass
        case ["pre-commit", "install"]:
            assert (REPOSITORY / ".pre-commit-config.yaml").exists()
        case [program, *_] if Path(program).parent == Path(".venv/bin"):
            assert Path(sys.executable).with_name(Path(program).name).exists(), command
        case _:
            pytest.fail(f"no check for {shlex.join(command)}")


def check_options(command):
    """With --help a program of click reads its other arguments, and ends with an error at one that it doesn't know."""
    program, *arguments = command
    subprocess.run([Path(sys.executable).parent / program, *arguments, "--help"], check=True, capture_output=True)


def check_install(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("-c", type=argparse.FileType())
    parser.add_argument("-e", action="store_true")
    parser.add_argument("requirement")
    text = parser.parse_args(arguments).requirement
    requirement = Requirement(text.replace(".", "hf-brnn", 1) if text.startswith(".") else text)
    assert requirement.name == "hf-brnn"
    assert requirement.extras <= set(metadata("hf-brnn").get_all("Provides-Extra"))


def check_launch(arguments, monkeypatch):
    from accelerate.commands import launch

    launched = []
    for launcher in ("simple_launcher", "multi_gpu_launcher"):
        monkeypatch.setattr(launch, launcher, launched.append)
    launch.launch_command(launch.launch_command_parser().parse_args(arguments))
    script, script_arguments = launched[0].training_script, launched[0].training_script_args
    if launched[0].module:
        check_command(script, script_arguments, monkeypatch)
    else:
        check_arguments(lambda: runpy.run_path(script)["main"](script_arguments), monkeypatch)


class ParsedError(Exception):
    """The arguments are parsed: go no further."""


def check_command(module, arguments, monkeypatch):
    check_arguments(lambda: importlib.import_module(module).main(arguments), monkeypatch)


def check_arguments(run, monkeypatch):
    """Runs a command until its arguments are parsed; an argument that it doesn't know ends it with an error."""

    def stop_after(parse):
        def parse_and_stop(*args, **kwargs):
            parse(*args, **kwargs)
            raise ParsedError

        return parse_and_stop

    with monkeypatch.context() as patch:
        for parser in (argparse.ArgumentParser, CommandParser):
            patch.setattr(parser, "parse_args", stop_after(parser.parse_args))
        try:
            run()
        except ParsedError:
            return
        except SystemExit as ended:
            assert ended.code == 0  # --help
        else:
            pytest.fail("The arguments were not parsed.")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_pictures_lead_to_files(page):
    targets = [span.attrs["href"].partition("#")[0] for span in spans(page, "link_open")]
    targets += [span.attrs["src"] for span in spans(page, "image")]
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


def messages():
    """The texts of the package, with … for each field that is filled in."""
    for path in (REPOSITORY / "hf_brnn").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else FIELD for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_messages_that_pages_explain_are_those_of_the_code():
    known = "\n".join(messages())
    for page in PAGES:
        _, _, part = page.read_text(encoding="utf-8").partition("## Errors")
        quoted = re.findall(r"^\| `(.+?)` \|", part, flags=re.MULTILINE)
        assert [message for message in quoted if message not in known] == [], page.name


def test_the_table_of_the_tutorial_has_the_values_of_its_recipe():
    model, data, training, _ = build_arguments(read_recipe(recipe_path("tutorial")))
    values = vars(training) | vars(data) | vars(model)
    stated = re.findall(r"`(\w+): (\S+)`", (DOCS / "tutorial.md").read_text(encoding="utf-8"))
    assert len(stated) > 10
    assert {name: yaml.safe_load(value) for name, value in stated} == {name: values[name] for name, _ in stated}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_is_short_and_without_dates(page):
    text = page.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= (MAX_LINES_OF_README if page.name == "README.md" else MAX_LINES)
    if DOCS / "lab" not in page.parents:
        assert re.findall(r"\b20\d\d-\d\d-\d\d\b", text) == []


def documented_modules():
    """The source files of the API reference."""
    for page in sorted((DOCS / "api").glob("*.md")):
        for name in re.findall(r"^::: (\S+)\.\w+$", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
            yield REPOSITORY / f"{name.replace('.', '/')}.py"


@pytest.mark.parametrize("module", sorted(set(documented_modules())), ids=name_of)
def test_the_reference_can_read_what_a_docstring_says_is_raised(module):
    """mkdocs ends with an error at a line that is not `Exception: description`."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            _, _, raised = (ast.get_docstring(node) or "").partition("\nRaises:\n")
            entries = re.findall(r"^    (\S.*)$", raised, flags=re.MULTILINE)
            assert [entry for entry in entries if not re.match(r"[\w.]+(, [\w.]+)*: ", entry)] == [], node.name
