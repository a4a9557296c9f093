"""numpy, loaded when ballots are counted and not before."""

from typing import Any

from npc_lab.errors import ExperimentError


def numpy_here() -> Any:
    """Return numpy. Raise `ExperimentError` in words if it is not installed."""
    try:
        import numpy
    except ImportError as error:
        raise ExperimentError(
            "Ballots are counted by numpy, which is not installed here. Install it with: "
            'pip install "npc-lab[course]", or pip install numpy'
        ) from error
    return numpy
