"""`hf-brnn compare`, from the repository."""

from hf_brnn.commands.compare import main

if __name__ == "__main__":
    main()
