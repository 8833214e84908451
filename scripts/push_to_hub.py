"""`hf-brnn push`, from the repository."""

from hf_brnn.commands.push import main

if __name__ == "__main__":
    main()
