"""`hf-brnn serve`, from the repository."""

from hf_brnn.commands.serve import main

if __name__ == "__main__":
    main()
