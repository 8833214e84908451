"""Pushes a saved folder to the Hugging Face Hub as one commit.

python scripts/push_to_hub.py runs/quickstart --repo_id user/name --dry_run
python scripts/push_to_hub.py runs/quickstart --repo_id user/name
"""

import argparse
import sys
from pathlib import Path

from hf_brnn.hub.push import PUSH_ERRORS, explain_push_error, files_to_push, push


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="A saved folder.")
    parser.add_argument("--repo_id", required=True, help="user/name on the Hub.")
    parser.add_argument("--private", action="store_true", help="Make a new repository private.")
    parser.add_argument("--revision", help="Branch to push to, by default main.")
    parser.add_argument("--dry_run", action="store_true", help="Check the folder and list what would go.")
    args = parser.parse_args(argv)
    try:
        files = files_to_push(args.folder)
        for file in files:
            print(f"{(args.folder / file).stat().st_size:>12,}  {file.as_posix()}")
        if args.dry_run:
            print(f"{len(files)} files would go to {args.repo_id}.")
        else:
            print(f"Pushed: {push(args.folder, args.repo_id, args.private or None, args.revision)}")
    except PUSH_ERRORS as error:
        sys.exit(explain_push_error(error, args.repo_id))


if __name__ == "__main__":
    main(sys.argv[1:])
