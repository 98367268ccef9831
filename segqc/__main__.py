"""`python -m segqc`."""

from segqc.cli.app import main

if __name__ == "__main__":
    main()
