"""The built wheel, as a user installs it: without a compiler, on the lowest and newest Python at hand."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests" / "data" / "toy_plugin"


def pythons() -> list[str]:
    """The lowest and the newest interpreter at hand that the package supports."""
    found = {}
    places = os.environ.get("PATH", "").split(os.pathsep)
    places += [str(path) for path in Path("~/.pyenv/versions").expanduser().glob("3.*/bin")]
    for place in places:
        for path in Path(place).glob("python3.[0-9]*"):
            if re.fullmatch(r"python3\.(1[1-9]|[2-9]\d)", path.name) and _runs(path):
                found.setdefault(int(path.name.split(".")[1]), str(path))
    found.setdefault(sys.version_info.minor, sys.executable)
    return list(dict.fromkeys([found[min(found)], found[max(found)]]))


def _runs(path: Path) -> bool:
    checked = subprocess.run([path, "-c", "import venv, ssl"], capture_output=True, check=False)
    return checked.returncode == 0


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """The project's wheel and the toy plugin's."""
    folder = tmp_path_factory.mktemp("wheels")
    for name, source in (("connect", ROOT), ("toy", TOY)):
        copy = tmp_path_factory.mktemp(name) / "source"  # a build leaves files beside what it builds
        shutil.copytree(
            source, copy, ignore=shutil.ignore_patterns(".venv", ".git", "build", "*.egg-info", ".*_cache", "*.so")
        )
        build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, copy]
        subprocess.run(build, check=True, env=without_compiler())
    return sorted(folder.glob("*.whl"))


def without_compiler() -> dict[str, str]:
    return {**os.environ, "CC": "/bin/false", "CXX": "/bin/false", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@pytest.fixture(scope="module", params=pythons(), ids=lambda path: Path(path).name)
def installed(request, wheels, tmp_path_factory):
    """A virtual environment with both wheels and nothing of the checkout; its bin folder."""
    venv = tmp_path_factory.mktemp("venv")
    subprocess.run([request.param, "-m", "venv", venv], check=True)
    install = [venv / "bin" / "python", "-m", "pip", "install", "-q", "--only-binary", ":all:", *wheels]
    subprocess.run(install, check=True, env=without_compiler())
    return venv / "bin"


@pytest.fixture(scope="module")
def compiled_wheel(tmp_path_factory):
    """The project's wheel as it is built where a C compiler is."""
    folder, copy = tmp_path_factory.mktemp("compiled"), tmp_path_factory.mktemp("source") / "source"
    shutil.copytree(
        ROOT, copy, ignore=shutil.ignore_patterns(".venv", ".git", "build", "*.egg-info", ".*_cache", "*.so")
    )
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, copy]
    subprocess.run(build, check=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    return next(folder.glob("*.whl"))


def run(bin_folder, folder, *words):
    return subprocess.run([bin_folder / words[0], *words[1:]], cwd=folder, capture_output=True, text=True, check=False)


def test_the_command_answers_in_an_empty_folder(installed, tmp_path):
    answer = run(installed, tmp_path, "connect", "--version")
    assert answer.returncode == 0, answer.stderr
    assert "0.1.0" in answer.stdout


def test_the_module_and_the_long_command_are_the_same(installed, tmp_path):
    short = run(installed, tmp_path, "connect", "--help").stdout
    assert short == run(installed, tmp_path, "connect-cdc", "--help").stdout
    assert run(installed, tmp_path, "python", "-m", "connect", "--help").returncode == 0


def test_a_plugin_from_another_package_is_found_beside_our_own(installed, tmp_path):
    answer = run(installed, tmp_path, "connect", "plugins", "--json")
    assert answer.returncode == 0, answer.stderr
    found = {plugin["name"]: plugin for plugin in json.loads(answer.stdout)["plugins"]}
    assert {"postgres", "sql", "elasticsearch", "toy"} <= found.keys()
    assert found["toy"]["version"] == "1.2.3"


def test_the_example_files_are_in_the_wheel(installed, tmp_path):
    code = "import connect, pathlib; print(*pathlib.Path(connect.__file__).parent.glob('configs/*.yaml'))"
    assert "demo.yaml" in run(installed, tmp_path, "python", "-c", code).stdout


def test_the_base_install_names_what_the_demonstration_lacks(installed, tmp_path):
    answer = run(installed, tmp_path, "connect", "demo")
    assert answer.returncode != 0
    assert "connect-cdc[local]" in answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr


WHY = "from connect.compiled import WHY_NOT_COMPILED; print(WHY_NOT_COMPILED or 'compiled')"


def test_without_a_compiler_the_codecs_are_python_and_say_so(installed, tmp_path):
    assert "no C compiler" in run(installed, tmp_path, "python", "-c", WHY).stdout


def test_with_a_compiler_every_compiled_codec_is_in_the_wheel_and_runs(compiled_wheel, tmp_path):
    with zipfile.ZipFile(compiled_wheel) as wheel:
        wheel.extractall(tmp_path)
    built = {path.name.partition(".")[0] for path in tmp_path.rglob("*.so")}
    assert built == {path.stem for top in ("connect", "connectors") for path in (ROOT / top).rglob("*_c.pyx")}
    command = [sys.executable, "-c", WHY]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    answer = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "compiled"
