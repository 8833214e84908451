"""A saved folder's way to the Hub: pushed as a whole or not at all. Needs neither torch nor transformers."""

from pathlib import Path
from typing import Any, Optional

import httpx2
import yaml
from huggingface_hub import HfApi, ModelCard
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

from .layout import (
    GRAPHS,
    check_graph,
    check_nothing_else,
    check_parts,
    check_saved_folder,
    is_noticed,
    unexpected_names,
)

PUSH_ERRORS = (OSError, ValueError, RuntimeError, httpx2.TransportError)


def pushed_files(folder: Path) -> list[Path]:
    """The files that a push of a saved folder sends, relative to it.

    Raises:
        FileExistsError: The folder holds something else too.
        FileNotFoundError: A part of a saved folder is missing.
        ValueError: The folder is not what `check_saved_folder` wants, a graph was made of other weights, or the card's
            metadata can't be read.
    """
    check_saved_folder(folder)
    check_parts(folder, "README.md", "configuration_brnn.py", "modeling_brnn.py")
    check_nothing_else(folder)
    for graph in GRAPHS:
        if (folder / graph).is_file():
            check_graph(folder / graph, folder)
    try:
        card = ModelCard.load(folder / "README.md", ignore_metadata_errors=False)
    except (TypeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{folder / 'README.md'}: the metadata can't be read ({error}).") from error
    if card.data.library_name != "transformers":
        raise ValueError(f"{folder / 'README.md'}: library_name is {card.data.library_name!r}, not 'transformers'.")
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(file for file in files if is_noticed(file.as_posix()))


def prepare_repository(repo_id: str, private: Optional[bool], revision: Optional[str], token: Any) -> str:
    """Makes repository and branch where they aren't there, and checks that a push may replace what they hold.

    Returns:
        The full id, `user/name`.

    Raises:
        FileExistsError: The branch holds anything other than a saved folder.
        huggingface_hub.errors.HfHubHTTPError: The Hub refuses.
        huggingface_hub.errors.LocalTokenNotFoundError: There is no token.
    """
    api = HfApi(token=token)
    api.whoami()
    repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
    branches = [branch.name for branch in api.list_repo_refs(repo_id).branches]
    branch = "main" if revision is None else revision
    held = branch if branch in branches else "main"
    names = api.list_repo_files(repo_id, revision=held)
    config = Path(api.hf_hub_download(repo_id, "config.json", revision=held)) if "config.json" in names else None
    if others := unexpected_names(names, config):
        raise FileExistsError(
            f"{repo_id} on the Hub holds something else: {', '.join(others[:5])}. Pushing would remove it: choose "
            "another repository."
        )
    if branch not in branches:
        api.create_branch(repo_id, branch=branch)
    return repo_id


def push_folder(
    folder: Path, repo_id: str, private: Optional[bool] = None, revision: Optional[str] = None, token: Any = None
) -> str:
    """Pushes a saved folder to the Hub as one commit, after which the branch holds it and nothing else.

    Args:
        folder: The saved folder.
        repo_id: `user/name`, or a name alone for one's own account; made if it isn't there.
        private: Whether a new repository is private.
        revision: Branch to push to, by default main; made if it isn't there.
        token: Access token, by default the one of `hf auth login` or `HF_TOKEN`.

    Returns:
        The address of the commit.

    Raises:
        What `pushed_files` and `prepare_repository` raise.
        RuntimeError: The connection was lost while a large file went. Nothing is visible of it.
        ValueError: The Hub finds the card's metadata wrong.
    """
    files = pushed_files(folder)
    ModelCard.load(folder / "README.md").validate()
    repo_id = prepare_repository(repo_id, private, revision, token)
    commit = HfApi(token=token).upload_folder(
        repo_id=repo_id,
        folder_path=folder,
        revision=revision,
        commit_message=f"Push {folder.resolve().name}",
        allow_patterns=[file.as_posix() for file in files],
        delete_patterns="*",
    )
    return commit.commit_url


def explain_push_error(error: Exception, repo_id: str) -> str:
    """One line on what went wrong with a push, and what to do."""
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if isinstance(error, LocalTokenNotFoundError) or status == 401:
        return "Not logged in to the Hub: run hf auth login, or set HF_TOKEN to a token that may write."
    if status in (403, 404):
        return f"No right to write to {repo_id} with this token: choose another repository or token."
    if isinstance(error, (httpx2.TransportError, RuntimeError)):
        return f"The connection to the Hub was lost ({error}). {repo_id} shows no half of it: push again."
    return str(error)
