"""`hf-brnn predict`, from the repository."""

from hf_brnn.commands.predict import main

if __name__ == "__main__":
    main()
