import re

import pytest

from connect.local import artifacts

BUNDLES = [artifacts.kafka, artifacts.apicurio, artifacts.elasticsearch, artifacts.mariadb]


@pytest.mark.parametrize("bundle", BUNDLES)
def test_every_download_is_pinned_by_version_size_and_hash(bundle):
    for pin in bundle().artifacts:
        assert re.fullmatch(r"[0-9a-f]{64}", pin.sha256)
        assert pin.size > 1000
        assert pin.version not in {"LATEST", "RELEASE"}


def test_kafka_is_complete_enough_to_log_and_to_be_formatted():
    names = {pin.name for pin in artifacts.kafka().artifacts}

    assert {"kafka_2.13", "kafka-clients", "kafka-tools-api", "log4j-slf4j-impl", "log4j-core"} <= names


def test_kafka_jars_are_of_one_version():
    versions = {pin.version for pin in artifacts.kafka().artifacts if pin.group == "org.apache.kafka"}

    assert versions == {artifacts.kafka().version}


def test_file_names_are_those_of_a_maven_repository():
    assert artifacts.apicurio().artifacts[0].file_name == "apicurio-registry-app-3.3.3-all.tar.gz"
