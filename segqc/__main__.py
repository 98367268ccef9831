"""`python -m segqc`."""

from segqc.cli import main

if __name__ == "__main__":
    main()
