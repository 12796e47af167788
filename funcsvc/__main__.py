"""`python -m funcsvc` is the `funcsvc` command."""

from funcsvc.cli import main

main()
