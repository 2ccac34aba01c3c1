"""What holds for every test."""

import signal

from hypothesis import settings

# Hypothesis fails an example that takes over 200 ms: that is a timed test, and other work on the machine fails it.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure():
    """A shell starts what runs in its background deaf to SIGINT, children inherit that, and tests send Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
