"""What pyproject.toml cannot say: the examples go into the package that is built."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

EXAMPLES = Path(__file__).parent / "examples"


class WithExamples(build_py):
    """A build whose package has the folder of examples in it, for ``icemap init --example``."""

    def run(self) -> None:
        super().run()
        # An editable installation finds them in the checkout.
        if not self.editable_mode:
            target = Path(self.build_lib, "icemap", "examples")
            shutil.copytree(EXAMPLES, target, dirs_exist_ok=True)


setup(cmdclass={"build_py": WithExamples})
