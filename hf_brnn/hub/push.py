"""Pushing a model directory to the Hub as one commit. Loads neither torch nor transformers."""

from pathlib import Path
from typing import Optional, Union

import httpx2
import yaml
from huggingface_hub import HfApi, ModelCard
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

from .layout import (
    CARD,
    CODE_FILES,
    GRAPHS,
    TRAINING_ARGS,
    check_files,
    check_graph,
    check_model_directory,
    check_no_other_files,
    is_ignored,
    unexpected_names,
)

PUSH_ERRORS = (OSError, ValueError, RuntimeError, httpx2.TransportError)


def push(
    model_dir: Union[str, Path],
    repo_id: str,
    private: Optional[bool] = None,
    revision: Optional[str] = None,
    token: Union[str, bool, None] = None,
    write_card: bool = False,
) -> str:
    """Pushes a model directory to the Hub as one commit. It replaces the contents of the branch.

    Args:
        model_dir: The model directory.
        repo_id: `user/name`, or a name alone for your own account. The repository is created if it does not exist.
        private: Whether a new repository is private.
        revision: Branch to push to; main by default. It is created if it does not exist.
        token: Access token; by default that of `hf auth login` or `HF_TOKEN`.
        write_card: Whether to write a missing card.

    Returns:
        The URL of the commit.

    Raises:
        FileExistsError: The directory or the branch holds files that are not part of a model directory.
        FileNotFoundError: A file is missing.
        huggingface_hub.errors.HfHubHTTPError: The Hub refuses.
        huggingface_hub.errors.LocalTokenNotFoundError: There is no token.
        RuntimeError: The connection was lost while a large file was sent. The repository is as before.
        ValueError: The files don't belong together, or the card's metadata is invalid.
    """
    directory = Path(model_dir)
    files = files_to_push(directory, write_card)
    ModelCard.load(directory / CARD).validate()
    repo_id = prepare_repository(repo_id, private, revision, token)
    commit = HfApi(token=token).upload_folder(
        repo_id=repo_id,
        folder_path=directory,
        revision=revision,
        commit_message=f"Push {directory.resolve().name}",
        allow_patterns=[file.as_posix() for file in files],
        delete_patterns="*",
    )
    return commit.commit_url


def files_to_push(directory: Path, write_card: bool = False) -> list[Path]:
    """Returns the files that a push sends, relative to the model directory.

    Args:
        directory: The model directory.
        write_card: Whether to write a missing card.

    Raises:
        FileExistsError: The directory holds other files too.
        FileNotFoundError: A file is missing.
        ValueError: `check_model_directory` refuses the directory, a graph was exported from other weights, or the
            card's metadata is invalid.
    """
    check_model_directory(directory)
    check_files(directory, *CODE_FILES)
    if not (directory / CARD).is_file():
        if not write_card:
            raise FileNotFoundError(
                f"{directory} has no {CARD}, the model card. Add --write_card to write one from the other files."
            )
        from .card import rebuild_card

        rebuild_card(directory)
    check_no_other_files(directory)
    for graph in GRAPHS:
        if (directory / graph).is_file():
            check_graph(directory / graph, directory)
    card = directory / CARD
    try:
        data = ModelCard.load(card, ignore_metadata_errors=False).data
    except (TypeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{card}: the metadata between the lines --- is not valid ({error}). Fix it.") from error
    if data.library_name != "transformers":
        raise ValueError(
            f"{card}: library_name is {data.library_name!r}, expected 'transformers'. Correct the line in the metadata."
        )
    files = (path.relative_to(directory) for path in directory.rglob("*") if path.is_file())
    return sorted(file for file in files if not is_ignored(file.as_posix()) and file.name != TRAINING_ARGS)


def prepare_repository(
    repo_id: str, private: Optional[bool], revision: Optional[str], token: Union[str, bool, None]
) -> str:
    """Creates repository and branch if they do not exist, and checks that a push may replace the contents.

    Returns:
        The full id, `user/name`.

    Raises:
        FileExistsError: The branch holds files that are not part of a model directory.
        huggingface_hub.errors.HfHubHTTPError: The Hub refuses.
        huggingface_hub.errors.LocalTokenNotFoundError: There is no token.
    """
    api = HfApi(token=token)
    api.whoami()
    repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
    branches = [branch.name for branch in api.list_repo_refs(repo_id).branches]
    branch = "main" if revision is None else revision
    existing = branch if branch in branches else "main"
    names = api.list_repo_files(repo_id, revision=existing)
    config = Path(api.hf_hub_download(repo_id, "config.json", revision=existing)) if "config.json" in names else None
    if others := unexpected_names(names, config):
        raise FileExistsError(
            f"{repo_id} on the Hub holds files that are not part of a model directory: {', '.join(others[:5])}. "
            "Pushing would delete them. Choose another repository."
        )
    if branch not in branches:
        api.create_branch(repo_id, branch=branch)
    return repo_id


def explain_push_error(error: Exception, repo_id: str) -> str:
    """Returns one line: why a push failed, and what to do."""
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if isinstance(error, LocalTokenNotFoundError) or status == 401:
        return "You are not logged in to the Hub. Run hf auth login, or set HF_TOKEN to a token with write access."
    if status in (403, 404):
        return f"Your token has no write access to {repo_id}. Choose another repository or token."
    if isinstance(error, (httpx2.TransportError, RuntimeError)):
        return f"The connection to the Hub was lost ({error}). {repo_id} is as before. Push again."
    return str(error)
