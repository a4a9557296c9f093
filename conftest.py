"""What holds for tests and notebooks alike: Ctrl-C is heard, and a notebook's cells stay together."""

import signal

import pytest

# What runs in the background, or under nohup, inherits that Ctrl-C is ignored, and so do all processes made
# by it: kernels, servers, commands. With a handler set, those that are made from now on have their own.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the cells of a notebook run in one worker: they share a kernel."""
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
