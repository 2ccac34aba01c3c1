"""What pyproject.toml cannot say: the compiled codecs, and that configs/ is package connect.configs in the wheel."""

import importlib.util
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from setuptools import Extension, find_namespace_packages, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent


class BuildCompiled(build_ext):
    """Keeps what Cython writes out of the source tree, and compiles several modules at a time."""

    def initialize_options(self) -> None:
        """See setuptools."""
        super().initialize_options()
        self.cython_c_in_temp = True
        self.parallel = os.cpu_count()


def compiled_modules() -> list[Extension]:
    """One for each ``*_c.pyx``; none without Cython or a C compiler: the package then runs on the Python twins."""
    if not _can_compile():
        sys.stderr.write("no C compiler: the codecs run on their Python twins, which are many times slower\n")
        return []
    sources = [path.relative_to(ROOT) for top in ("connect", "connectors") for path in (ROOT / top).rglob("*_c.pyx")]
    # Python's own flags ask for debugging symbols, which would be most of a wheel.
    debug = [] if "-g" in shlex.split(os.environ.get("CFLAGS", "")) else ["-g0"]
    return [
        Extension(".".join(path.with_suffix("").parts), [str(path)], extra_compile_args=debug, optional=True)
        for path in sorted(sources)
    ]


def _can_compile() -> bool:
    if importlib.util.find_spec("Cython") is None:
        return False
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder, "probe.c")
        probe.write_text("#include <Python.h>\n__int128 probe;\n")
        words = [*compiler, f"-I{sysconfig.get_path('include')}", "-c", str(probe), "-o", f"{probe}.o"]
        try:
            return subprocess.run(words, capture_output=True, check=False).returncode == 0
        except OSError:
            return False


setup(
    packages=[
        *find_namespace_packages(include=["connect", "connect.*", "connectors", "connectors.*"]),
        "connect.configs",
        "connect.configs.shop_cdc",
    ],
    package_dir={"connect.configs": "configs"},
    ext_modules=compiled_modules(),
    cmdclass={"build_ext": BuildCompiled},
)
