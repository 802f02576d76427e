"""`python -m app.cli`: the `kalm` command."""

from app.cli import main

main()
