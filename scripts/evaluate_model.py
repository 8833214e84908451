"""`hf-brnn evaluate`, from the repository."""

from hf_brnn.commands.evaluate import main

if __name__ == "__main__":
    main()
