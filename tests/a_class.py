"""A class of 150 that has handed in its notebooks, and what is to be found in each of them.

    python tests/a_class.py FOLDER     writes the notebooks into a folder

    for each in everybody():
        each.name, each.content        a file below that folder
        each.expected                  {"trim": "incorrect", "cost": "correct"}; {} if it cannot be graded
        each.first_wrong               a pattern of what the first wrong step says, or ""

Some are right, in many styles; others have made a mistake, are not finished, do odd or hostile things, write
in seven languages, come from Colab or VS Code, or are no notebooks at all. `sample()` returns a few.
"""

import io
import json
import re
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import arena_styles
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, writes

from npc_lab.lessons.checking.reports import CORRECT, INCORRECT, NOT_ATTEMPTED, NOT_FINISHED
from npc_lab.lessons.course import course_folder
from npc_lab.lessons.exercises.catalogue import EXERCISES
from npc_lab.lessons.help import TAG, solution_code

SIZE = 150
OF_LESSON = {
    lesson: [each.name for each in EXERCISES.values() if each.lesson == lesson]
    for lesson in sorted({each.lesson for each in EXERCISES.values()})
}
IMPORTS = """import base64
import json
import math
import re
import uuid
from collections import Counter
from datetime import datetime
from itertools import zip_longest

from npc_lab import Message, NPCConfig, connect
from npc_lab.cards import Card, write_card
from npc_lab.errors import ConversationNotFoundError, NPCNotFoundInArenaError, ReplyError
from npc_lab.experiments import difference
from npc_lab.lessons import check"""


@dataclass(frozen=True)
class HandedIn:
    """A file that was handed in, and what is to be found in it. kind: which of the class's kinds it is."""

    kind: str
    name: str
    content: bytes = field(repr=False)
    expected: Mapping[str, str]
    first_wrong: str = ""


def everybody() -> list[HandedIn]:
    """The whole class, each in a folder of their own."""
    kinds: Sequence[Callable[[], Iterator[tuple[str, bytes, Mapping[str, str], str]]]] = (
        right,
        mistaken,
        unfinished,
        odd,
        in_seven_languages,
        from_other_programs,
        hostile,
        not_gradable,
    )
    found = [(kind.__name__, *each) for kind in kinds for each in kind()]
    return [
        HandedIn(kind, f"{number:03} {kind}/{file}", content, expected, words)
        for number, (kind, file, content, expected, words) in enumerate(found, 1)
    ]


def sample() -> list[HandedIn]:
    """A few, of which each is unlike the others and takes little time."""
    wanted = ("commonest_by_hand", "09_slip_3", "Ελληνικά", "colab_02", "pdf")
    return [each for each in everybody() if Path(each.name).stem in wanted]


# --- notebooks ------------------------------------------------------------------------------------

Handed = Iterator[tuple[str, bytes, Mapping[str, str], str]]


def as_file(cells: Sequence[Any]) -> bytes:
    """A notebook of these cells; a text is a code cell."""
    made = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    for number, cell in enumerate(made):
        cell["id"] = f"cell-{number}"  # else two runs differ
    return writes(new_notebook(cells=made)).encode()


def cell_of(exercise: str, source: str) -> Any:
    return new_code_cell(source, metadata={"tags": [f"{TAG}{exercise}"]})


def short(lesson: str, answers: Mapping[str, str], *more: Any) -> bytes:
    """Nothing but the exercises of a lesson, each with its answer, and after them more cells."""
    cells = [IMPORTS]
    for exercise in OF_LESSON[lesson]:
        if exercise in answers:
            source = f'check("{exercise}", {EXERCISES[exercise].declares})'
            cells += [cell_of(exercise, answers[exercise]), new_code_cell(source)]
    return as_file([*cells, *more])


def solved(lesson: str) -> dict[str, str]:
    return {exercise: solution_code(exercise) for exercise in OF_LESSON[lesson]}


def all_of(lesson: str, outcome: str) -> dict[str, str]:
    return dict.fromkeys(OF_LESSON[lesson], outcome)


def as_given(lesson: str, folder: str = "") -> bytes:
    """The lesson as learners get it, or with the solutions."""
    (path,) = (course_folder() / folder).glob(f"{lesson}_*.ipynb")
    return path.read_bytes()


# --- right ----------------------------------------------------------------------------------------

ARENAS = arena_styles.TEXT.partition("\nclass WithoutKeys")[0]
OTHER_WAYS = {
    "commonest_by_hand": (
        "commonest",
        """
def commonest(names):
    counts = {}
    for name in names:
        if name is not None:
            counts[name] = counts.get(name, 0) + 1
    if not counts:
        return None
    best = max(counts, key=counts.get)
    return [best, counts[best] / sum(counts.values())]
""",
    ),
    "trim_from_behind": (
        "trim",
        """
def trim(messages, history_size):
    system = messages[:1] if messages and messages[0]["role"] == "system" else []
    rest = messages[len(system):]
    starts = [i for i, m in enumerate(rest) if m["role"] == "user" and len(rest) - i <= history_size]
    return [*system, *(rest[starts[0]:] if starts else [])]
""",
    ),
    "cost_with_while": (
        "cost",
        """
def new_characters(before, now):
    i = 0
    while i < len(before) and i < len(now) and before[i] == now[i]:
        i = i + 1
    total = 0
    for message in now[i:]:
        total += len(message["content"])
    return total
""",
    ),
    "messages_with_comprehension": (
        "messages",
        """
def build_messages(system, exchanges, line):
    first = [dict(role="system", content=system)] if system else []
    middle = [dict(role=r, content=c) for pair in exchanges for r, c in zip(("user", "assistant"), pair)]
    return first + middle + [dict(role="user", content=line)]
""",
    ),
    "leaks_by_pattern": (
        "leaks",
        """
def leaks(line, secret):
    secret = re.sub(r"[\\W_]", "", secret.lower())
    return bool(secret) and secret in re.sub(r"[\\W_]", "", line.lower())
""",
    ),
    "card_of_keywords": (
        "card",
        "save_character = lambda character, path: write_card(path=path, card=Card(character))",
    ),
    "verdict_short": (
        "verdict",
        'verdict = lambda low, high: "cannot tell" if low is None or low <= 0 <= high else '
        '("more" if low > 0 else "less")',
    ),
    "pairs_with_loop": (
        "pairs",
        """
def pairs(first, second):
    out, dropped = [], 0
    for i in range(max(len(first), len(second))):
        a = first[i] if i < len(first) else None
        b = second[i] if i < len(second) else None
        if a is None or b is None:
            dropped += 1
        else:
            out.append((a, b))
    return out, dropped
""",
    ),
    "talks_needed_by_search": (
        "talks_needed",
        """
def talks_needed(smallest):
    if smallest <= 0:
        return None
    n = 1
    while n < 0.5 * (2.8 / smallest) ** 2:
        n += 1
    return n
""",
    ),
    "per_talk_with_append": (
        "per_talk",
        """
def per_talk(talks, measure):
    found = []
    for talk in talks:
        if talk is None or not talk.spoken:
            found.append(None)
        else:
            found.append(measure(talk))
    return found
""",
    ),
    "interval_in_steps": (
        "interval",
        """
def interval(hits, n):
    if not n:
        return None
    z = 1.959964
    p = hits / n
    root = (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    low = (p + z * z / (2 * n) - z * root) / (1 + z * z / n)
    high = (p + z * z / (2 * n) + z * root) / (1 + z * z / n)
    return (low, high)
""",
    ),
    "corrected_with_ifs": (
        "corrected",
        """
def corrected(seen, tpr, tnr):
    better = tpr + tnr - 1
    if better <= 0:
        return None
    share = (seen - (1 - tnr)) / better
    if share < 0:
        return 0
    if share > 1:
        return 1
    return share
""",
    ),
    "tiers_sorted_first": (
        "tiers",
        """
def tiers(standings):
    result = []
    for s in sorted(standings, key=lambda s: -s.high):
        if result and s.high >= min(t.low for t in result[-1]):
            result[-1].append(s)
        else:
            result.append([s])
    return result
""",
    ),
}


def right() -> Handed:
    for lesson in sorted(OF_LESSON)[1:]:
        yield f"solution_{lesson}.ipynb", as_given(lesson, "solutions"), all_of(lesson, CORRECT), ""
    for style in arena_styles.RIGHT:
        cells = [ARENAS, cell_of("arena", f"ChatArena = {style}"), 'check("arena", ChatArena)']
        yield f"arena_{style}.ipynb", as_file([IMPORTS, *cells]), {"arena": CORRECT}, ""
    for name, (exercise, source) in OTHER_WAYS.items():
        lesson = EXERCISES[exercise].lesson
        answers = {**solved(lesson), exercise: source.strip()}
        yield f"{name}.ipynb", short(lesson, answers), all_of(lesson, CORRECT), ""


# --- with one mistake -----------------------------------------------------------------------------

# exercise, what stands in the solution, what stands there now, what the first wrong step says
SLIPS = [
    (
        "messages",
        "if system:\n        messages.append",
        "if not system:\n        messages.append",
        "system text",
    ),
    ("messages", "    return messages", "    print(messages)", "It gives None"),
    ("prediction", '"A": False', '"A": "no"', "neither True nor False"),
    ("trim", "> history_size", ">= history_size", "What fits stays"),
    ("trim", "    return system + earlier", "    return earlier", "The system message stays"),
    ("cost", "if old != new", "if old == new", "counts all that is sent"),
    ("cost", 'len(message["content"])', "1", "counts the messages"),
    ("split_reply", "visible.strip(), thought", "text, thought", "The thought is in visible"),
    ("split_reply", 'in ("scratchpad", "#answer", "think>")', "in ()", "A start mark without an end mark"),
    ("visible_pieces", "yield visible[len(shown) :]", "yield visible", "Words come out twice"),
    ("leaks", "text.casefold()", "text", "Capital letters"),
    ("leaks", "if letter.isalnum()", "", "Blanks and marks"),
    ("character", 'goal="Get the stranger to taste your cake and to praise it."', 'goal=""', "goal is ''"),
    ("card", "write_card(Card(character), path)", "Card(character)", "It writes no file"),
    ("commonest", "if name is not None", "", "counts None"),
    ("commonest", "count / len(said)", "count / len(names)", "divides by all answers"),
    ("interval", "1.96", "1.0", "68 %"),
    ("per_talk", "if talk is not None and talk.spoken else None", "", "A talk without lines"),
    ("notes", '3: "gives the word away in riddles"', "3: 7", "The note of talk 3 is 7"),
    ("pairs", "return complete, len(both) - len(complete)", "return complete", "gives the pairs alone"),
    ("verdict", "if low > 0", "if low < 0", "it says “less”"),
    ("talks_needed", "** 2)", ")", "see only differences"),
    ("peek", "% 5 == 0", "% 1 == 0", ""),
    ("read_verdict", "objects[-1]", "objects[0]", "the last one counts"),
    ("both_orders", 'one if one == other else "tie"', "one", "nobody has won"),
    ("rates", "share_right(True), share_right(False)", "share_right(False), share_right(True)", "tpr first"),
    ("corrected", "min(max((seen + tnr - 1) / (tpr + tnr - 1), 0), 1)", "seen", "corrects the share"),
    ("schedule", "rounds // 2 + 1):", "rounds // 2):", "in as many pairs"),
    ("strengths", " - middle", "", "Their mean is 0.3"),
    ("tiers", "each.high < lowest", "each.high > lowest", "Who is clearly apart"),
]
# Of these, the next exercise of the lesson makes use.
CARRIED_ON = {"split_reply": "visible_pieces", "verdict": "peek"}
ARENA_SLIPS = [slip for slip in arena_styles.SLIPS if slip.style in ("Guests", "Rest", "Plain")][::2][:10]


def mistaken() -> Handed:
    numbers = dict.fromkeys(OF_LESSON, 0)
    for exercise, old, new, words in SLIPS:
        lesson = EXERCISES[exercise].lesson
        numbers[lesson] += 1
        answers = solved(lesson)
        assert old in answers[exercise], (exercise, old)
        answers[exercise] = answers[exercise].replace(old, new, 1)
        wrong = {exercise, CARRIED_ON.get(exercise, exercise)}
        expected = {**all_of(lesson, CORRECT), **dict.fromkeys(wrong, INCORRECT)}
        yield f"{lesson}_slip_{numbers[lesson]}.ipynb", short(lesson, answers), expected, words
    for number, slip in enumerate(ARENA_SLIPS, 1):
        begin = re.search(rf"(?m)^(?:class|def) {slip.style}\b", ARENAS)
        assert begin, slip
        text = ARENAS[: begin.start()] + ARENAS[begin.start() :].replace(slip.old, slip.new, 1)
        cells = [text, cell_of("arena", "ChatArena = Plain"), 'check("arena", ChatArena)']
        yield f"arena_slip_{number}.ipynb", as_file([IMPORTS, *cells]), {"arena": INCORRECT}, slip.words


# --- not finished ---------------------------------------------------------------------------------


def unfinished() -> Handed:
    for lesson in sorted(OF_LESSON)[1:]:
        yield f"as_given_{lesson}.ipynb", as_given(lesson), all_of(lesson, NOT_ATTEMPTED), ""
    for lesson, done in (("02", "trim"), ("06", "commonest"), ("08", "rates"), ("09", "tiers")):
        expected = {**all_of(lesson, NOT_ATTEMPTED), done: CORRECT}
        yield f"{lesson}_{done}_only.ipynb", short(lesson, {done: solution_code(done)}), expected, ""
    methods = solution_code("arena").split("\n\n\n")
    for number in (2, 4):
        cells = [IMPORTS, *(cell_of("arena", source) for source in methods[: number + 1])]
        yield f"arena_{number}_methods.ipynb", as_file(cells), {"arena": NOT_FINISHED}, ""


# --- odd, and right all the same unless it is said ------------------------------------------------


def odd() -> Handed:
    trim, cost = solution_code("trim"), solution_code("cost")
    answers, correct = solved("02"), all_of("02", CORRECT)
    yield "cell_that_fails.ipynb", short("02", answers, "1 / 0", "undefined_name"), correct, ""
    yield "leaves.ipynb", short("02", answers, "exit()", "quit()", "import sys; sys.exit(1)"), correct, ""
    shell = ["%matplotlib inline", "!ls", "%pip install --help", "%%timeit -n 1\nlen('x')", "%who"]
    yield "magics.ipynb", short("02", answers, *shell), correct, ""
    yield "prints_much.ipynb", short("02", answers, "print('x' * 10_000_000)"), correct, ""
    yield "asks.ipynb", short("02", answers, "name = input('Your name? ')"), correct, ""
    yield "twice.ipynb", short("02", {**answers, "trim": "def trim(a, b): ..."}, trim), correct, ""
    yield "emptied.ipynb", short("02", answers, "%reset -f"), all_of("02", NOT_ATTEMPTED), ""
    renamed = {**answers, "trim": trim.replace("def trim", "def my_trim")}
    yield "renamed.ipynb", short("02", renamed), {**correct, "trim": NOT_ATTEMPTED}, ""
    awaited = {**answers, "trim": trim.replace("def trim", "async def trim")}
    yield "async.ipynb", short("02", awaited), {**correct, "trim": INCORRECT}, ""
    untagged = as_file([IMPORTS, trim, cost, 'check("trim", trim)'])
    yield "without_tags.ipynb", untagged, correct, ""
    broken = {**answers, "cost": cost.replace("):", ")", 1)}
    yield "no_colon.ipynb", short("02", broken), {**correct, "cost": NOT_ATTEMPTED}, ""
    nothing = [new_markdown_cell(f"# Cell {number}") for number in range(200)]
    yield "very_long.ipynb", short("02", answers, *nothing), correct, ""


# --- languages ------------------------------------------------------------------------------------

LANGUAGES = {
    "Deutsch": ("gekürzt", "Die Nachrichten werden gekürzt: ältere zuerst."),
    "Français": ("résumé", "On garde le début, et les derniers échanges entiers."),
    "Español": ("añadido", "¿Qué se olvida? Los turnos más viejos."),
    "Ελληνικά": ("μηνύματα", "Κρατάμε τα νεότερα μηνύματα."),
    "Русский": ("сообщения", "Старые реплики забываются парами."),
    "中文": ("消息", "只保留最近的完整对话。"),
    "العربية": ("رسائل", "نحتفظ بأحدث الرسائل فقط."),
}


def in_seven_languages() -> Handed:
    for language, (name, sentence) in LANGUAGES.items():
        answers = {each: code.replace("same", name) for each, code in solved("02").items()}
        answers["trim"] = (
            answers["trim"].replace("earlier", name).replace('"""The newest', f'"""{sentence} The newest')
        )
        more = [
            new_markdown_cell(f"# {sentence}"),
            f"{name}_2 = '{sentence} 🐉'  # {sentence}\nprint({name}_2)",
        ]
        yield f"{language}.ipynb", short("02", answers, *more), all_of("02", CORRECT), ""


# --- Colab and VS Code ----------------------------------------------------------------------------


def from_other_programs() -> Handed:
    for lesson in ("02", "06", "09"):
        yield f"colab_{lesson}.ipynb", as_colab(short(lesson, solved(lesson))), all_of(lesson, CORRECT), ""
        yield f"vscode_{lesson}.ipynb", as_vscode(short(lesson, solved(lesson))), all_of(lesson, CORRECT), ""


def as_colab(content: bytes) -> bytes:
    """As Colab saves it: an older format, ids in the metadata, outputs with its own types, secrets, forms."""
    notebook = json.loads(content)
    notebook |= {"nbformat_minor": 0, "metadata": {"colab": {"provenance": []}, "accelerator": "GPU"}}
    secret = (
        "from google.colab import userdata\nkey = userdata.get('NEBIUS_API_KEY')  # @param {type: 'string'}"
    )
    install = "!pip install -q npc-lab\n# @title Setup"
    for source in (secret, install):
        first = {"cell_type": "code", "source": [source], "metadata": {}, "outputs": [], "execution_count": 1}
        notebook["cells"].insert(0, first)
    for number, cell in enumerate(notebook["cells"]):
        cell.pop("id", None)
        cell["metadata"] |= {"id": f"AbC{number}", "colab": {"base_uri": "https://localhost:8080/"}}
        if cell["cell_type"] == "code":
            data = {
                "text/plain": ["1"],
                "application/vnd.google.colaboratory.intrinsic+json": {"type": "string"},
            }
            cell["outputs"] = [
                {"output_type": "execute_result", "execution_count": 1, "data": data, "metadata": {}}
            ]
    return json.dumps(notebook, ensure_ascii=False, indent=2).encode()


def as_vscode(content: bytes) -> bytes:
    """As VS Code saves it on Windows: its language in each cell, lines that end with a carriage return."""
    notebook = json.loads(content)
    notebook["metadata"] = {"language_info": {"name": "python"}, "orig_nbformat": 4}
    for cell in notebook["cells"]:
        cell["metadata"]["vscode"] = {"languageId": "python"}
    text = json.dumps(notebook, ensure_ascii=True, indent=1).replace("\n", "\r\n")
    return b"\xef\xbb\xbf" + text.encode()


# --- hostile --------------------------------------------------------------------------------------

WRONG_TRIM = "def trim(messages, history_size):\n    return messages"
FORGES = """
import builtins
from npc_lab.lessons.checking import exercise, reports

def all_right(self, *_, **__):
    return reports.Report(self.name, [reports.Step(s.name, s.required, "correct", "") for s in self.steps])

exercise.Exercise.check = all_right
reports.Report.passed = property(lambda self: True)
"""
PUBLISHES = """
import npc_lab.grading.inside as inside
publish = get_ipython().display_pub.publish

def forged(data, *more, **options):
    if inside.MIME in data:
        data[inside.MIME]["outcomes"] = [("correct", "", "")] * len(data[inside.MIME]["outcomes"])
    return publish(data, *more, **options)
"""
HOSTILE = {
    "patches_what_checks_use": FORGES,
    "shows_what_it_likes": "print('trim: correct')\nget_ipython().display_pub.publish({'text/plain': '1'})",
    "patches_open": "import builtins\nbuiltins.open = lambda *_, **__: 1 / 0",
    "deletes_modules": "import sys\nfor name in [*sys.modules]:\n    if 'npc' in name: del sys.modules[name]",
    "leaves_its_folder": "import os, shutil\nshutil.rmtree(os.getcwd(), ignore_errors=True)",
    "writes_grades": "import pathlib\nfor path in pathlib.Path('..').rglob('*.csv'): path.write_text('100')",
    "starts_processes": "import subprocess\nsubprocess.Popen(['sleep', '300'], start_new_session=True)",
    "waits_for_ever": "while True: pass",
    "takes_all_memory": "x = []\nwhile True: x.append(bytearray(10 ** 8))",
    "catches_interrupts": "try:\n    while True: pass\nexcept BaseException:\n    pass",
}
KILLS = {
    "ends_its_kernel": "import os\nos._exit(1)",
    "kills_itself": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
}


def hostile() -> Handed:
    answers = {**solved("02"), "trim": WRONG_TRIM}
    expected = {"trim": INCORRECT, "cost": CORRECT}
    for name, source in HOSTILE.items():
        yield f"{name}.ipynb", short("02", answers, source.strip()), expected, ""
    for name, source in KILLS.items():
        yield f"{name}.ipynb", short("02", answers, source), {}, ""


# --- no notebooks ---------------------------------------------------------------------------------


def not_gradable() -> Handed:
    whole = short("02", solved("02"))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("hw.ipynb", whole)
    contents = {
        "empty": b"",
        "blank": b" \n\n",
        "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "word": b"PK\x03\x04\x14\x00\x06\x00",
        "zip": archive.getvalue(),
        "html": b"<!DOCTYPE html><html><body>Sign in to download</body></html>",
        "cut_off": whole[: len(whole) // 2],
        "list": b"[]",
        "number": b"42",
        "object": b"{}",
        "utf16": whole.decode().encode("utf-16"),
        "two_files": whole + whole,
        "conflict": whole.replace(b'"cells"', b'<<<<<<< HEAD\n "cells"', 1),
        "no_code": as_file([new_markdown_cell("# I could not do it, sorry")]),
        "no_cells": as_file([]),
        "other_course": as_file(["import numpy as np", "x = np.arange(3)", "print(x.mean())"]),
        "python_file": b"def trim(messages, history_size):\n    return messages\n",
        "cells_as_text": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": "none"}',
        "deep": b"[" * 100_000,
        "rtf": rb"{\rtf1\ansi My homework}",
    }
    for name, content in contents.items():
        yield f"{name}.ipynb", content, {}, ""


def write(folder: Path, class_: Sequence[HandedIn]) -> None:
    """Write the notebooks into the folder."""
    for each in class_:
        path = folder / each.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(each.content)


if __name__ == "__main__":
    write(Path(sys.argv[1]), everybody())
