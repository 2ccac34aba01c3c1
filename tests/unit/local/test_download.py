import hashlib
import io
import tarfile
import threading
import zipfile

import pytest

from connect.errors import ConnectError
from connect.local import progress
from connect.local.artifacts import Artifact, Bundle
from connect.local.download import Cache, announce, check_hash, package_folder, unpack
from connect.local.home import Home

JAR = Artifact("group", "name", "1.0", "", "jar", 5, hashlib.sha256(b"bytes").hexdigest())


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path, user=None)
    home.cache.mkdir()
    return home


@pytest.fixture
def cache(home):
    return Cache(home, progress.silent(), threading.Event())


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "wheel" / "runtime"
    folder.mkdir(parents=True)
    (folder / "program").write_bytes(b"run me")
    (folder / "program").chmod(0o700)
    return folder


def test_file_with_the_pinned_hash_passes(tmp_path):
    path = tmp_path / JAR.file_name
    path.write_bytes(b"bytes")

    check_hash(path, JAR)


def test_file_with_another_hash_is_refused_by_name(tmp_path):
    path = tmp_path / JAR.file_name
    path.write_bytes(b"bytez")

    with pytest.raises(ConnectError, match=r"name-1\.0\.jar") as raised:
        check_hash(path, JAR)

    assert raised.value.code == "local_hash_mismatch"


def test_zip_loses_its_top_folder_and_keeps_run_bits_and_empty_folders(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        program = zipfile.ZipInfo("top/bin/run")
        program.external_attr = 0o755 << 16
        file.writestr(program, "#!")
        file.writestr("top/plugins/", "")

    unpack(archive, tmp_path / "out")

    assert (tmp_path / "out/bin/run").stat().st_mode & 0o100
    assert (tmp_path / "out/plugins").is_dir()


def test_folder_of_a_jar_is_unpacked_alone_and_its_programs_get_run_bits(tmp_path):
    archive = tmp_path / "a.jar"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("META-INF/MANIFEST.MF", "x")
        file.writestr("db/linux/bin/server", b"\x7fELF...")
        file.writestr("db/linux/share/words.txt", "x")

    unpack(archive, tmp_path / "out", "db/linux")

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["bin", "share"]
    assert (tmp_path / "out/bin/server").stat().st_mode & 0o100
    assert not (tmp_path / "out/share/words.txt").stat().st_mode & 0o100


def test_zip_cannot_write_outside_its_folder(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("top/../../evil", "x")

    unpack(archive, tmp_path / "out")

    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("name", ["../evil", "/../evil", "/lib/x.jar"])
def test_tar_cannot_write_outside_its_folder(tmp_path, name):
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(name))
    out = tmp_path / "out"
    out.mkdir()

    unpack(archive, out)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "out"]


def test_tar_is_unpacked_as_it_is(tmp_path):
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        entry = tarfile.TarInfo("lib/x.jar")
        entry.size = 2
        tar.addfile(entry, io.BytesIO(b"ab"))

    unpack(archive, tmp_path / "out")

    assert (tmp_path / "out/lib/x.jar").read_bytes() == b"ab"


def test_copy_can_be_read_and_run_by_every_user(cache, source):
    folder = cache.copy("runtime-1", [source])

    assert (folder / "runtime/program").stat().st_mode & 0o777 == 0o755
    assert folder.stat().st_mode & 0o777 == 0o755


def test_half_of_a_dead_process_is_thrown_away_and_done_again(cache, home, source):
    half = home.cache / ".runtime-1.half-dead"
    half.mkdir()
    (half / "part").write_bytes(b"x")

    folder = cache.copy("runtime-1", [source])

    assert (folder / "runtime/program").read_bytes() == b"run me"
    assert not half.exists()


def test_failure_leaves_nothing_under_the_name(cache, home, tmp_path):
    with pytest.raises(ConnectError) as raised:
        cache.copy("runtime-1", [tmp_path / "absent"])

    assert raised.value.code == "local_download_failed"
    assert [path.name for path in home.cache.iterdir()] == [".runtime-1.lock"]


def test_what_is_there_is_not_made_again(cache, home, tmp_path):
    (home.cache / "runtime-1").mkdir()

    assert cache.copy("runtime-1", [tmp_path / "absent"]) == home.cache / "runtime-1"


def test_many_at_once_get_the_same_whole_folder(home, source):
    caches = [Cache(home, progress.silent(), threading.Event()) for _ in range(4)]
    threads = [threading.Thread(target=cache.copy, args=("runtime-1", [source])) for cache in caches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (home.cache / "runtime-1/runtime/program").read_bytes() == b"run me"
    assert not list(home.cache.glob(".*.half-*"))


def test_what_will_be_downloaded_is_said_first_with_its_size(cache, home):
    said = []
    bundle = Bundle("Kafka", "9.9", (Artifact("g", "n", "9.9", "", "jar", 45_000_000, ""),))

    total = announce(progress.Lines(said.append), cache, [bundle], home.cache)

    assert total == 45_000_000
    assert "Kafka 9.9 (45 MB)" in said[0]


def test_nothing_is_said_of_what_is_in_the_cache(cache, home):
    said = []
    (home.cache / "kafka-9.9").mkdir()

    total = announce(progress.Lines(said.append), cache, [Bundle("Kafka", "9.9", (JAR,))], home.cache)

    assert (total, said) == (0, [])


def test_install_without_the_local_extra_is_told_what_to_install():
    with pytest.raises(ConnectError) as raised:
        package_folder("no_such_package")

    assert raised.value.hint == "pip install 'connect-cdc[local]'"
