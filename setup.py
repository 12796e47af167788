"""Compiles the starter with the C compiler, the one step of the build that setup.cfg can't state.

The program is placed in the package; in an editable installation, that is the checkout.
"""

import os
import shlex
import subprocess
import sys
from glob import glob
from pathlib import Path

from setuptools import Command, Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build

SOURCES = sorted(glob("funcsvc/starter/*.c"))
HEADERS = glob("funcsvc/starter/*.h")
PROGRAM = "funcsvc/starter/funcsvc-starter"
FLAGS = ("-std=gnu11", "-Os", "-Wall", "-Wextra", "-static", "-s")


def compile_starter(program: Path) -> None:
    """Compile the starter, or exit with a message that says what is wrong."""
    command = [*shlex.split(os.environ.get("CC", "cc")), *FLAGS, "-o", str(program), *SOURCES]
    try:
        subprocess.run(command, check=True)  # noqa: S603  # runs the compiler
    except (OSError, subprocess.CalledProcessError):
        sys.exit(
            f"The starter could not be compiled: `{shlex.join(command)}` failed. It needs a C "
            "compiler with a static C library (on Debian gcc and libc6-dev); CC can name another."
        )


class BuildStarter(Command):
    """Builds a program into the package, which no command of setuptools does."""

    description = "build the starter"
    user_options = []

    def initialize_options(self) -> None:
        self.build_lib = None
        self.editable_mode = False

    def finalize_options(self) -> None:
        self.set_undefined_options("build_py", ("build_lib", "build_lib"))

    def run(self) -> None:
        program = Path(PROGRAM if self.editable_mode else self.get_outputs()[0])
        program.parent.mkdir(parents=True, exist_ok=True)
        compile_starter(program)

    def get_source_files(self) -> list[str]:
        return [*SOURCES, *HEADERS]

    def get_outputs(self) -> list[str]:
        return [os.path.join(self.build_lib, PROGRAM)]

    def get_output_mapping(self) -> dict[str, str]:
        return {self.get_outputs()[0]: PROGRAM} if self.editable_mode else {}


class Build(build):
    sub_commands = [*build.sub_commands, ("build_starter", None)]


class ForOneMachine(Distribution):
    """Tells setuptools that the package is compiled, although it has no extension modules."""

    def has_ext_modules(self) -> bool:
        return True


class BuildWheel(bdist_wheel):
    """A wheel for one platform but any Python 3, since the starter doesn't depend on Python."""

    def get_tag(self) -> tuple[str, str, str]:
        return ("py3", "none", super().get_tag()[2])


setup(
    cmdclass={"build": Build, "build_starter": BuildStarter, "bdist_wheel": BuildWheel},
    distclass=ForOneMachine,
)
