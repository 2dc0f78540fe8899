"""``python -m streams``, and the command ``rapport``."""

from streams.cli import main

if __name__ == "__main__":
    main()
