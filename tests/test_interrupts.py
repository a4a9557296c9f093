"""Ctrl-C at a bad moment: wherever it falls, nothing is blocked, and memory, talk and file agree.

Each run tries other steps. `python tests/reliability.py --part interrupts` tries 10,000.
"""

import random
import subprocess
import sys

import pytest
from interruptions import SCENES, interrupt_each
from loopback import PATIENCE

pytestmark = [
    pytest.mark.python,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot raise SIGINT in a process of its own"),
]

# A trace function counts the lines that run while a character waits for its first words, those of Python's
# own `threading` included, and raises SIGINT at one of them: at the first, then at the second, and so on.
WAITING = """
import signal, sys, threading
from npc_lab import FakeClient, NPCConfig, SimpleChatNPC

signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background inherits deafness
TRACED = ("threading.py", "reading.py", "contextlib.py")
never = threading.Event()


class Interruption:
    def __init__(self, at_line):
        self.left = at_line

    def __call__(self, frame, event, argument):
        return self.look if frame.f_code.co_filename.endswith(TRACED) else None

    def look(self, frame, event, argument):
        self.left -= 1
        if not self.left:
            sys.settrace(None)
            signal.raise_signal(signal.SIGINT)
        return self.look


def answer(messages):
    if messages[-1]["content"] == "Wait.":
        never.wait()
    return "Here."


for at_line in range(1, 41):
    npc = SimpleChatNPC(FakeClient(answer), "m", NPCConfig("a world", "a character"))
    stream = npc.stream("Wait.", "learner")
    print("line", at_line, flush=True)
    try:
        sys.settrace(Interruption(at_line))
        next(stream)
    except KeyboardInterrupt:
        pass
    else:
        raise SystemExit("was not interrupted")
    assert npc.chat("Are you there?", "learner") == "Here."
    assert len(npc.chat_histories["learner"]) == 2
print("all is well")
"""


def test_ctrl_c_at_each_line_of_a_wait_blocks_nothing() -> None:
    command = [sys.executable, "-c", WAITING]
    program = subprocess.run(command, capture_output=True, text=True, timeout=6 * PATIENCE)
    assert program.stdout.endswith("all is well\n"), program.stdout + program.stderr


STRIDE = 151


@pytest.mark.parametrize("with_store", [False, True], ids=["without a store", "with a store"])
@pytest.mark.parametrize("kind", SCENES)
def test_ctrl_c_at_any_step_parts_nothing_and_blocks_nothing(kind: str, with_store: bool) -> None:
    count = interrupt_each(kind, with_store, STRIDE, first=random.randrange(1, STRIDE // 2))
    assert count.interrupts
    assert not count.blocked
    assert not count.wrong
