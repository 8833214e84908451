"""`python -m hf_brnn` is `hf-brnn`."""

from .commands.main import main

main()
