"""The command ``icemap`` with what `small_chain.in_little` makes small. A worker imports the file
of its command as it starts, and has it, too.
"""

from contextlib import ExitStack

from small_chain import in_little

from icemap.cli import main

# As long as the process: what nothing refers to is put back.
little = ExitStack()
little.enter_context(in_little())

if __name__ == "__main__":
    main(prog_name="icemap")
