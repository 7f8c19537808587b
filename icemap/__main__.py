"""``python -m icemap`` is the command ``icemap``."""

from icemap.cli import main

if __name__ == "__main__":
    main(prog_name="icemap")
