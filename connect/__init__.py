"""Change data capture for Python teams: logs of databases into Kafka and on into tables and indices, exactly once."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("connect-cdc")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0.0.0"
