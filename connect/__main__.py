"""``python -m connect``: the same as the command."""

from connect.cli.main import main

if __name__ == "__main__":
    main()
