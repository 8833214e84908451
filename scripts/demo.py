"""`hf-brnn demo`, from the repository."""

from hf_brnn.commands.demo import main

if __name__ == "__main__":
    main()
