"""Change data capture for Python teams: logs of databases into Kafka and on into tables and indices, exactly once."""

__version__: str


def __getattr__(name: str) -> str:
    """``__version__``, looked up when it is asked for: what reads it takes a tenth of a second to load."""
    if name != "__version__":
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - only who asks pays for it

    try:
        return version("connect-cdc")
    except PackageNotFoundError:  # a checkout that was never installed
        return "0.0.0"
