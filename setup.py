"""The one thing that pyproject.toml cannot say: an editable install copies no data files.

Configs, launch files and the DDS profile are then read from this repository; a copy under the environment's
`share/` would grow stale.
"""

from setuptools import setup
from setuptools.command.editable_wheel import editable_wheel


class EditableWheel(editable_wheel):
    """An editable install without copies of the data files."""

    def run(self) -> None:
        """Build the wheel that points here."""
        self.distribution.data_files = []
        super().run()


setup(cmdclass={"editable_wheel": EditableWheel})
