"""`hf-brnn export`, from the repository."""

from hf_brnn.commands.export import main

if __name__ == "__main__":
    main()
