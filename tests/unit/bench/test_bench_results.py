"""The arithmetic of the benchmark: medians, ratios, aims, and the names that issue trackers and pages refer to."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


def load(name):
    spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCH / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


results = load("results")
readable = load("readable")


def test_every_measure_has_its_name():
    assert set(results.measures()) == {
        *("pg_stream_100", "pg_stream_1", "pg_stream_100k", "pg_stream_wide", "pg_stream_10kb", "pg_snapshot"),
        *("mysql_stream_100", "mysql_snapshot"),
        *("sink_postgres_upsert", "sink_postgres_bootstrap", "sink_elasticsearch"),
        *("latency_100_p50", "latency_100_p99", "latency_5000_p50", "latency_5000_p99"),
        *("rss_source", "start", "recover", "tables_1000", "transaction_1m"),
    }


def test_value_limit_and_peer_are_medians_and_ratios_are_of_medians():
    measure = results.measures()["pg_stream_100"]
    for side, values in {"connect": (100, 300, 200), "limit": (250,), "peer": (10, 30)}.items():
        for value in values:
            measure.add(side, value)
    found = measure.to_json()
    assert (found["value"], found["limit"], found["peer"]) == (200, 250, 20)
    assert (found["ratio_to_limit"], found["ratio_to_peer"]) == (0.8, 10)
    assert found["met"] == [True, True]


def test_an_aim_without_its_figure_is_neither_reached_nor_missed():
    measure = results.measures()["pg_stream_100"]
    measure.add("connect", 100)
    assert measure.to_json()["met"] == [None, None]


def test_an_aim_from_above_is_missed_by_what_is_larger():
    measure = results.measures()["start"]
    measure.add("connect", 2.5)
    assert measure.to_json()["met"] == [False]


def test_a_measure_that_failed_says_so_and_has_no_value():
    measure = results.measures()["mysql_snapshot"]
    measure.error = "no server"
    found = measure.to_json()
    assert (found["value"], found["error"]) == (None, "no server")


@pytest.mark.parametrize(
    ("data", "value", "end"), [(b"\x00", 0, 1), (b"\x01", -1, 1), (b"\x80\x01", 64, 2), (b"\xff\x01", -128, 2)]
)
def test_an_avro_long_is_read_with_the_offset_behind_it(data, value, end):
    assert readable.zigzag(data, 0) == (value, end)


def test_the_peer_is_pinned_by_size_and_hash():
    pins = json.loads((BENCH / "peer.json").read_text())
    converter = pins.pop("avro converter")
    for pin in [converter, *(pin for bundle in pins.values() for pin in bundle)]:
        assert len(bytes.fromhex(pin["sha256"])) == 32
        assert pin["size"] > 0
