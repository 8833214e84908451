"""What the pages show runs, in their order; a page says above a block why it can't, and its arguments are parsed."""

import argparse
import ast
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
from accelerate.commands import launch
from markdown_it import MarkdownIt
from packaging.requirements import Requirement
from processes import REPOSITORY
from transformers import HfArgumentParser

PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")])
NOT_RUN = re.compile(r"<!-- not run: \S.* -->\s*")
COMMAND = re.compile(r"(python|accelerate launch|make|pip install|npm|hf|ray) ")
ASSIGNMENT = re.compile(r"[A-Z_]+=.*")
PROGRAMS = {
    "bash": ("bash", "-euo", "pipefail", "-c"),
    "python": ("python", "-c"),
    "js": ("node", "--input-type=module", "--eval"),
}
DATA = ("csv", "text")
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


def spans(page, kind):
    """The inline tokens of a kind: `code_inline`, `link_open`."""
    tokens = MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))
    return [child for token in tokens for child in token.children or [] if child.type == kind]


def by_name(path):
    return path.name


def masked(text):
    """Lines without their numbers, which differ from machine to machine, and with single spaces."""
    return [" ".join(re.sub(r"\d[\d.,]*", "0", line).split()) for line in text.splitlines()]


@pytest.mark.parametrize("page", [page for page in PAGES if any(block.is_run for block in blocks(page))], ids=by_name)
def test_the_commands_of_a_page_run_and_print_what_it_shows(page, request, server, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "user")
    for name in ("configs", "hf_brnn", "scripts", "web"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("node_modules", "dist"))
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    for folder in (tmp_path, tmp_path / "web"):
        (folder / "node_modules").symlink_to(REPOSITORY / "web" / "node_modules")
    if "runs/quickstart" in page.read_text(encoding="utf-8"):
        shutil.copytree(request.getfixturevalue("exported_folder"), tmp_path / "runs" / "quickstart")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    printed = []
    run = [block for block in blocks(page) if block.is_run and block.language not in DATA]
    for language, group in itertools.groupby(run, key=lambda block: block.language):
        source = "\n".join(block.source for block in group)
        process = subprocess.run(
            [*PROGRAMS[language], source],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert not process.returncode, f"{source}\n{process.stdout}\n{process.stderr}"
        printed += masked(process.stdout)
    for block in blocks(page):
        for line in masked(block.source) if block.language == "text" else []:
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


@pytest.mark.parametrize("page", [page for page in PAGES if any(commands(page))], ids=by_name)
def test_commands_that_are_not_run_name_what_there_is(page, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.syspath_prepend(REPOSITORY / "scripts")
    for command in commands(page):
        check(command, monkeypatch)


def check(command, monkeypatch):
    command = list(itertools.dropwhile(ASSIGNMENT.fullmatch, command))
    match command:
        case ["export", *assignments]:
            assert all(map(ASSIGNMENT.fullmatch, assignments)), command
        case ["python", "-m", module, *_]:
            assert importlib.util.find_spec(module), command
        case ["python", script, *arguments]:
            check_script(script, arguments, monkeypatch)
        case ["accelerate", "launch", *arguments]:
            launched = []
            for launcher in ("simple_launcher", "multi_gpu_launcher"):
                monkeypatch.setattr(launch, launcher, launched.append)
            launch.launch_command(launch.launch_command_parser().parse_args(arguments))
            check_script(launched[0].training_script, launched[0].training_script_args, monkeypatch)
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
            with monkeypatch.context() as patch:
                patch.chdir(command[command.index("--working-dir") + 1])
                check(command[end + 1 :], patch)
        case ["hf" | "ray", *_]:
            check_options(command)
        case _:
            pytest.fail(f"no check for {shlex.join(command)}")


def check_options(command):
    """With --help a program of click reads its other arguments, and ends with an error at one that it doesn't know."""
    program, *arguments = command
    subprocess.run([Path(sys.executable).parent / program, *arguments, "--help"], check=True, capture_output=True)


def check_install(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("-c", type=argparse.FileType())
    parser.add_argument("-e")
    requirement = Requirement(f"hf-brnn{parser.parse_args(arguments).e.removeprefix('.')}")
    assert requirement.extras <= set(metadata("hf-brnn").get_all("Provides-Extra"))


class ParsedError(Exception):
    """The arguments are parsed: go no further."""


def check_script(script, arguments, monkeypatch):
    """Runs a script until its arguments are parsed; an argument that it doesn't know ends it with an error."""

    def stop_after(parse):
        def parse_and_stop(*args, **kwargs):
            parse(*args, **kwargs)
            raise ParsedError

        return parse_and_stop

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop_after(argparse.ArgumentParser.parse_args))
        parse = HfArgumentParser.parse_args_into_dataclasses
        patch.setattr(HfArgumentParser, "parse_args_into_dataclasses", stop_after(parse))
        with pytest.raises(ParsedError):
            runpy.run_path(script)["main"](arguments)
    for option, value in itertools.pairwise(arguments):
        assert option != "--config" or Path(value).is_file(), value


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_links_lead_to_files(page):
    targets = [span.attrs["href"].partition("#")[0] for span in spans(page, "link_open")]
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


def messages():
    """The texts of the package and the scripts, with … for each field that is filled in."""
    for path in [*(REPOSITORY / "hf_brnn").glob("*.py"), *(REPOSITORY / "scripts").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else FIELD for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_messages_that_pages_explain_are_those_of_the_code():
    known = "\n".join(messages())
    for page in PAGES:
        _, _, part = page.read_text(encoding="utf-8").partition("## What goes wrong")
        quoted = re.findall(r"^\| `(.+?)` \|", part, flags=re.MULTILINE)
        assert [message for message in quoted if message not in known] == [], page.name
