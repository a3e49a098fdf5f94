"""The entry point of `python -m gateway`, same as the console script."""

from gateway.cli import main

main()
