"""What holds for every test."""

import signal


def pytest_configure():
    """A shell starts what runs in its background deaf to SIGINT, children inherit that, and tests send Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
