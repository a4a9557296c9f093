"""The cells of a notebook run in one worker of pytest-xdist: they share a kernel."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Make a group of each notebook's cells."""
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
