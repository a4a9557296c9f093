"""Lesson 04 three ways: nothing done, every planted mistake named by its step, and many right answers."""

import base64
import json
import os
import pickle
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from npc_lab import FakeClient, NPCConfig, NPCFactory, ReplyError
from npc_lab.cards import Card, read_card, write_card
from npc_lab.lessons import Report, check, hint
from npc_lab.lessons.exercises.lesson04_character import holds_key
from npc_lab.lessons.help import hints
from npc_lab.lessons.redteam import (
    ATTACKS,
    Attack,
    gives_away,
    press,
    recorded_talk,
    telling_words,
)

pytestmark = pytest.mark.python

GOOD = NPCConfig(
    "A grand hotel in Vienna, the winter of 1899. Forty cakes stand in the kitchen.",
    "You are Leopold, the pastry cook. You are proud and quick. You speak in short, hurried sentences.",
    has_scratchpad=True,
    name="Leopold",
    goal="Get the stranger to taste your cake.",
    secrets=['You stole one thing from your brother: the "burnt lavender".'],
    taboo=["Anything that was made after the year 1899."],
    max_reply_tokens=160,
)


def wrong_step(report: Report, fault: str = ".") -> str:
    """The step that the first line names, after the checks of the house on how a mistake is told.

    fault: a pattern of what the line says before the step.
    """
    assert not report.passed
    assert re.search(f"{fault}.* So this does not hold yet: ", report.headline()), report.headline()
    wrong = [step for step in report.steps if step.required and step.outcome == "incorrect"]
    assert len(wrong) == 1, "one mistake is named once\n" + str(report)
    assert wrong[0].name.rstrip(".") in report.headline()
    assert "Expected" in wrong[0].message
    assert "Next" in wrong[0].message
    assert "Traceback" not in str(report)
    return wrong[0].name


def missing_stretch(report: Report) -> list[str]:
    assert report.passed, str(report)
    return [step.name for step in report.steps if step.outcome != "correct"]


def stub(*_: Any) -> Any:
    """As it is given out."""
    ...


@pytest.mark.parametrize("name", ["character", "leaks", "card"])
@pytest.mark.parametrize("nothing", [None, ..., stub])
def test_nothing_done_is_not_attempted(name: str, nothing: Any) -> None:
    report = check(name, nothing)
    assert not report.passed
    assert {step.outcome for step in report.steps} == {"not attempted"}


@pytest.mark.parametrize("name", ["character", "leaks", "card"])
@pytest.mark.parametrize("thing", ["a text", {"name": "Ada"}, (GOOD,), NPCConfig])
def test_something_else_is_said_to_be_so(name: str, thing: Any) -> None:
    if name != "character" and callable(thing):
        pytest.skip("a class can be called")
    report = check(name, thing)
    assert report.outcome == "can't check"
    assert "This wants" in report.headline()


def changed(**fields: Any) -> NPCConfig:
    return replace(GOOD, **fields)


def in_place(field: str, item: Any) -> NPCConfig:
    sheet = changed(secrets=list(GOOD.secrets), taboo=list(GOOD.taboo))
    getattr(sheet, field).append(item)
    return sheet


MAREN = recorded_talk().character
ADA = replace(MAREN, name="Ada", character_description=MAREN.character_description.replace("Maren", "Ada"))
HERR = "You are Leopold, the pastry cook. You hide the burnt lavender. You speak in hurried sentences."
SHEETS: dict[str, tuple[NPCConfig, str]] = {
    "the lesson's example": (MAREN, "It is somebody of your own"),
    "the example by another name": (ADA, "It is somebody of your own"),
    "in another place, with another goal": (
        replace(ADA, world_description=GOOD.world_description, goal=GOOD.goal),
        "It is somebody of your own",
    ),
    "the example's secret": (
        changed(name="Ada", goal=MAREN.goal, secrets=MAREN.secrets),
        "It is somebody of your own",
    ),
    "number among the secrets": (in_place("secrets", 7), "Every field holds"),
    "no world": (changed(world_description=""), "The world is described"),
    "dots for a world": (changed(world_description="." * 60), "The world is described"),
    "world in two words": (changed(world_description="A hotel."), "The world is described"),
    "endless world": (changed(world_description="rain " * 1000), "The world is described"),
    "world and character in each other's place": (
        changed(
            world_description=GOOD.character_description, character_description=GOOD.world_description * 2
        ),
        "The world is described",
    ),
    "no character": (changed(character_description=""), "The character is described"),
    "character in one word": (changed(character_description="You are Leo."), "The character is described"),
    "the world twice": (
        changed(character_description=GOOD.world_description),
        "The character is described",
    ),
    "in the third person": (
        changed(
            character_description="Leopold is the cook of the hotel and speaks with everybody who comes in."
        ),
        "The description speaks to the character",
    ),
    "in the first person": (
        changed(
            character_description="I am Leopold, a pastry cook. I speak in hurried sentences, and I am proud."
        ),
        "The description speaks to the character",
    ),
    "no name": (
        changed(
            name="", character_description="You are the proud cook of this grand hotel. You speak quickly."
        ),
        "The character has a name",
    ),
    "a story for a name": (changed(name="Leopold, " * 10), "The character has a name"),
    "no goal": (changed(goal=""), "The goal says"),
    "goal in a word": (changed(goal="Cake!"), "The goal says"),
    "the character as a goal": (changed(goal=GOOD.character_description), "The goal says"),
    "no secret": (changed(secrets=[]), "The character has a secret"),
    "empty secret": (changed(secrets=["", " - "]), "The character has a secret"),
    "a secret of many words": (
        changed(secrets=["You stole the recipe of your cake from your brother."]),
        "A listener could tell",
    ),
    "a very short secret": (changed(secrets=['The word is "ox".']), "A listener could tell"),
    "an everyday secret": (changed(secrets=['The word is "Good evening".']), "A listener could tell"),
    "what the attacker says": (changed(secrets=['The word is "secret".']), "A listener could tell"),
    "a whole story in quotation marks": (
        changed(secrets=[f'He said: "{GOOD.character_description}"']),
        "A listener could tell",
    ),
    "told in the description": (changed(character_description=HERR), "The secret stands nowhere else"),
    "told in the goal": (changed(goal="Sell the burnt lavender cake."), "The secret stands nowhere else"),
    "no taboo": (changed(taboo=[]), "The character has a taboo"),
    "empty taboo": (changed(taboo=["..."]), "The character has a taboo"),
    "no limit": (changed(max_reply_tokens=None), "A reply has a limit"),
    "a limit of three tokens": (changed(max_reply_tokens=3, has_scratchpad=False), "A reply has a limit"),
    "no room to think": (changed(max_reply_tokens=60), "A reply has a limit"),
}


# What the first line says before the step, of some; of all others it says something, too.
FAULTS = {
    "the example by another name": "Its character_description is Maren's",
    "the example's secret": "Its goal is Maren's",
    "number among the secrets": r"secrets is \[.*, 7\]",
    "no world": "world_description is ''",
    "world in two words": "world_description has 8 characters, and fewer than 40: “A hotel.”",
    "world and character in each other's place": "The character is in the world's place: “You are Leopold",
    "in the third person": "The description speaks of the character, and not to it: “Leopold is the cook",
    "goal in a word": "goal has 5 characters, and fewer than 12: “Cake!”",
    "the character as a goal": "goal is the same text as in a description",
    "no secret": r"Under secrets stands no text: \[\]",
    "a secret of many words": "No words stand in quotation marks in the secret “You stole the recipe",
    "a very short secret": "The telling words “ox” have 2 letters and digits",
    "an everyday secret": "Anybody may say “Good evening” by chance, as in “Good evening, my dear",
    "told in the goal": "“burnt lavender” stands in goal, too",
    "a limit of three tokens": "max_reply_tokens is 3, and not 20 to 1,000 tokens",
    # of leaks
    "always": "It gives True for the line “Good evening! .*”, and the secret is “",
    "never": "It gives False for the line “(.*)”, which holds “",
    "prints": "It gives None",
    "says it in a text": "It gives the text “True”",
    "plain in": "It gives False for the line “.*”, which holds “",
    "any word": "It gives True for the line “I like .* things.”, and the secret is “",
    # of card
    "makes a card only": "It writes no file",
    "always the same file": "It writes a file 'my_character.json', and not '",
    "no card made": "write_card fails: AttributeError: 'NPCConfig' object has no attribute 'to_json'",
    "changes what it saves": "It changes the character",
    "an empty file": r"read_card cannot read the file: '\w+.json': This file is empty",
    "world and character only": r"history_size comes back as 10, and was \d+",
    "with the key": "In the file stands something that looks like a key",
}


@pytest.mark.parametrize("name", SHEETS)
def test_a_mistake_on_the_sheet_is_named(name: str) -> None:
    sheet, step = SHEETS[name]
    assert wrong_step(check("character", sheet), FAULTS.get(name, ".")).startswith(step)


def test_a_field_of_the_wrong_kind_is_told_in_the_sheets_own_words() -> None:
    assert "secrets must be a list of texts" in str(check("character", SHEETS["number among the secrets"][0]))


RIGHT_SHEETS: dict[str, Any] = {
    "ours": GOOD,
    "a card": Card(GOOD),
    "positional": NPCConfig(
        GOOD.world_description, GOOD.character_description, 4, False, "Leopold", GOOD.goal, ["Landsknecht"],
        ["Steam engines"], 0.9, 80,
    ),
    "made by replace": replace(GOOD, name="Leo", memory="sliding"),
    "name in the description only": changed(name=""),
    "a text for a list": changed(secrets='The word is "burnt lavender".', taboo="Engines"),
    "tuples": changed(secrets=('The number is "4711".',), taboo=("Engines",)),
    "several lines": changed(character_description="\n  You are Leopold.\n" + GOOD.character_description),
    "of old": changed(
        character_description="Thou art Guy, the knight of the bridge. Thy boots are wet. Thou speakest well."
    ),
    "no scratchpad and short": changed(has_scratchpad=False, max_reply_tokens=30),
    "German": NPCConfig(
        "Ein Gasthof an der Donau im Winter 1740. Das Eis kracht, und niemand kommt über den Fluss.",
        "Du bist Therese, die Wirtin. Du redest langsam und in Sprichwörtern, und du vergisst keine Schuld.",
        name="Therese",
        goal="Der Gast soll im Voraus zahlen.",
        secrets=["Der Schlüssel liegt im „hohlen Birnbaum“."],
        taboo=["Den Namen des Kaisers."],
        has_scratchpad=True,
        max_reply_tokens=200,
    ),
    "Chinese": NPCConfig(
        "长安，天宝年间。夜里下着雨，客栈里只剩下一盏灯。",
        "你是老板娘阿月。你说话很慢，喜欢用问题回答问题。你从不相信陌生人。",
        name="阿月",
        goal="让客人先付钱。",
        secrets=["钥匙藏在「枯井旁边」。"],
        taboo=["皇帝的名字"],
        has_scratchpad=True,
        max_reply_tokens=200,
    ),
    "Russian": NPCConfig(
        "Маленькая станция в тайге, зима 1911 года. Поезд опаздывает, и чай давно остыл.",
        "Ты Пелагея, смотрительница станции. Ты говоришь коротко и ворчливо. Ты любишь точность и сушки.",
        name="Пелагея",
        goal="Узнать, куда едет незнакомец.",
        secrets=["Письмо лежит под «синим самоваром»."],
        taboo=["Всё, что придумали после 1911 года."],
        has_scratchpad=True,
        max_reply_tokens=200,
    ),
    "Hungarian": NPCConfig(
        "Egy kis falu a hegyek között, 1848 tavasza. A híd leszakadt, és mindenki a kocsmában ül.",
        "Te Ilka vagy, a kocsmáros lánya. Gyorsan beszélsz, és sokat nevetsz. Ha félsz, énekelsz.",
        name="Ilka",
        goal="Rávenni az idegent, hogy maradjon.",
        secrets=["A puska a 'sánta szekér' alatt van."],
        taboo=["A császár."],
        has_scratchpad=True,
        max_reply_tokens=200,
    ),
    "Arabic": NPCConfig(
        "سوق قديم في بغداد سنة ٨٥٠، والليل قريب والتجار يغلقون دكاكينهم.",
        "أنت سليمان بائع الكتب العجوز. تتكلم ببطء وتحب الأمثال. لا تثق بأحد يستعجل، وتضحك قليلا.",
        name="سليمان",
        goal="أن يشتري الغريب كتابا واحدا.",
        secrets=["الخريطة في «الجرة الخضراء»."],
        taboo=["اسم الخليفة"],
        has_scratchpad=True,
        max_reply_tokens=200,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT_SHEETS)
def test_every_honest_character_passes(name: str) -> None:
    report = check("character", RIGHT_SHEETS[name])
    missing = missing_stretch(report)
    if RIGHT_SHEETS[name] is GOOD or name in ("German", "Chinese", "Russian", "Hungarian", "Arabic"):
        assert not missing


def test_a_character_from_its_file_passes(tmp_path: Path) -> None:
    write_card(Card(GOOD), tmp_path / "leopold.json")
    assert check("character", read_card(tmp_path / "leopold.json").config).passed


def test_voice_and_scratchpad_are_stretch() -> None:
    mute = changed(
        character_description="You are Leopold, the cook of a grand hotel. You are proud, quick and tired.",
        has_scratchpad=False,
    )
    missing = missing_stretch(check("character", mute))
    assert missing == ["The description says how it speaks", "It thinks before it speaks"]


def test_a_voice_may_be_told_in_the_only_sentence() -> None:
    text = "You are Leopold, an old baker in a grand hotel who speaks in short and dry sentences."
    assert missing_stretch(check("character", changed(character_description=text))) == []


# leaks


def bare(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def plain(line: str, secret: str) -> bool:
    return bare(secret) in bare(line)


def only_line_made_bare(line: str, secret: str) -> bool:
    return secret.casefold().replace(" ", "") in bare(line)


def any_word(line: str, secret: str) -> bool:
    return plain(line, secret) or any(word in line.casefold() for word in secret.casefold().split())


def prints(line: str, secret: str) -> None:
    print(plain(line, secret))


def loops(line: str, secret: str) -> bool:
    while True:
        pass


def asks(line: str, secret: str) -> bool:
    return input("Is it a leak? ") == "y"


LISTENERS: dict[str, tuple[Callable[..., Any], str]] = {
    "always": (lambda line, secret: True, "An innocent line"),
    "never": (lambda line, secret: False, "A line that holds"),
    "the other way round": (lambda line, secret: bare(line) in bare(secret), "A line that holds"),
    "prints": (prints, "A line that holds"),
    "says it in a text": (lambda line, secret: str(plain(line, secret)), "A line that holds"),
    "hard-coded": (lambda line, secret: "silver herring" in line.lower(), "A line that holds"),
    "equal": (lambda line, secret: bare(line) == bare(secret), "A line that holds"),
    "any letter": (lambda line, secret: any(letter in line for letter in secret), "An innocent line"),
    "plain in": (lambda line, secret: secret in line, "Capital letters"),
    "lower on the line only": (lambda line, secret: plain(line, secret) and (
        secret in line.lower() or secret == secret.lower()), "Capital letters"),
    "any word": (any_word, "One word of the secret"),
    "forgets the marks": (lambda line, secret: secret.lower() in line.lower(), "Blanks and marks"),
    "forgets blanks": (
        lambda line, secret: re.sub(r"[^\w ]", "", secret.lower()) in re.sub(r"[^\w ]", "", line.lower()),
        "Blanks and marks",
    ),
    "forgets the secret's marks": (only_line_made_bare, "The secret's own marks"),
    "forgets digits": (
        lambda line, secret: "".join(filter(str.isalpha, secret.lower()))
        in "".join(filter(str.isalpha, line.lower())),
        "Digits count",
    ),
    "makes only the line plain": (lambda line, secret: secret in bare(line), "A line that holds"),
    "raises": (lambda line, secret: line.index(secret) >= 0, "An innocent line"),
    "takes one argument": (lambda line: True, "A line that holds"),
    "loops": (loops, "A line that holds"),
    "asks": (asks, "A line that holds"),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTENERS)
def test_a_mistake_in_leaks_is_named(name: str, request: pytest.FixtureRequest) -> None:
    function, step = LISTENERS[name]
    if function is loops:
        request.getfixturevalue("little_time")
    assert wrong_step(check("leaks", function), FAULTS.get(name, ".")).startswith(step)


def test_who_makes_only_the_line_plain_is_told_of_the_secret() -> None:
    report = check("leaks", LISTENERS["makes only the line plain"][0])
    assert "What you change in the line, change in the secret, too." in str(report)


def test_a_forgotten_return_is_guessed() -> None:
    assert "Did you forget a `return`?" in str(check("leaks", prints))


def with_regular_expression(line: str, secret: str) -> Any:
    pattern = r"[\W_]*".join(re.escape(letter) for letter in bare(secret))
    return bare(secret) and re.search(pattern, line.casefold())


def letter_by_letter(line: str, secret: str) -> int:
    return bare(line).count(bare(secret)) if bare(secret) else 0


def with_translate(line: str, secret: str) -> bool:
    gone = {code: None for text in (line, secret) for code in map(ord, text) if not chr(code).isalnum()}
    return secret.translate(gone).casefold() in line.translate(gone).casefold()


class Listener:
    def __call__(self, line: str, secret: str) -> bool:
        return plain(line, secret)


def with_filter(line: str, secret: str) -> bool:
    line, secret = ("".join(filter(str.isalnum, each.lower())) for each in (line, secret))
    return secret in line


def with_ascii_only(line: str, secret: str) -> bool:
    return re.sub("[^a-z0-9]", "", secret.lower()) in re.sub("[^a-z0-9]", "", line.lower())


def with_find(a: str, b: str, *, also: bool = False) -> bool:
    return bare(a).find(bare(b)) != -1


def by_the_kit(line: str, secret: str) -> bool:
    return gives_away(line, secret)


RIGHT_LISTENERS = [
    by_the_kit, plain, with_regular_expression, letter_by_letter, with_translate, Listener(), with_filter,
    with_ascii_only, with_find, partial(plain),
]  # fmt: skip


@pytest.mark.parametrize("function", RIGHT_LISTENERS, ids=lambda each: getattr(each, "__name__", "object"))
def test_every_honest_way_to_listen_passes(function: Any) -> None:
    for _ in range(5):
        assert check("leaks", function).passed, str(check("leaks", function))


def test_stretch_steps_of_leaks_are_named_one_by_one() -> None:
    assert missing_stretch(check("leaks", by_the_kit)) == []
    assert missing_stretch(check("leaks", plain)) == [
        "A secret without letters leaks nowhere",
        "Spelled backwards, it is still a leak",
        "In base64, it is still a leak",
    ]
    assert "Letters of every language count" in missing_stretch(check("leaks", with_ascii_only))

    def word_letters(line: str, secret: str) -> bool:
        line, secret = (re.sub(r"\W", "", each.casefold()) for each in (line, secret))
        return bool(secret) and any(each in line for each in (secret, secret[::-1]))

    assert missing_stretch(check("leaks", word_letters)) == [
        "An underscore is a mark like others",
        "In base64, it is still a leak",
    ]


def test_secrets_are_new_at_each_check_whatever_the_seed() -> None:
    heard: list[str] = []

    def note(line: str, secret: str) -> bool:
        heard.append(secret)
        return False

    for _ in range(2):
        random.seed(1)
        check("leaks", note)
    assert len(set(heard)) == len(heard)


# card


def save(character: NPCConfig, path: Any) -> None:
    write_card(Card(character), path)


def as_dictionary(character: NPCConfig, path: Any) -> None:
    Path(path).write_text(json.dumps(asdict(character)), encoding="utf-8")


def as_pickle(character: NPCConfig, path: Any) -> None:
    Path(path).write_bytes(pickle.dumps(character))


def without_the_rest(character: NPCConfig, path: Any) -> None:
    save(NPCConfig(character.world_description, character.character_description), path)


def with_my_own(character: NPCConfig, path: Any) -> None:
    save(GOOD, path)


def always_the_same_file(character: NPCConfig, path: Any) -> None:
    save(character, "my_character.json")


def with_the_key(character: NPCConfig, path: Any) -> None:
    card = Card(character)
    card.original["data"]["creator_notes"] = os.environ["NEBIUS_API_KEY"]
    write_card(card, path)


def changes_it(character: NPCConfig, path: Any) -> None:
    character.secrets.clear()
    save(character, path)


SAVERS: dict[str, tuple[Callable[..., Any], str]] = {
    "makes a card only": (lambda character, path: Card(character), "The file is written"),
    "always the same file": (always_the_same_file, "The file is written"),
    "no card made": (lambda character, path: write_card(character, path), "The file is written"),
    "in the wrong order": (lambda character, path: write_card(path, Card(character)), "The file is written"),
    "changes what it saves": (changes_it, "The file is written"),
    "a dictionary": (as_dictionary, "What was written is a character card"),
    "a pickle": (as_pickle, "What was written is a character card"),
    "an empty file": (lambda character, path: Path(path).touch(), "What was written is a character card"),
    "world and character only": (without_the_rest, "Every field"),
    "always my own": (with_my_own, "Every field"),
    "with the key": (with_the_key, "The file holds no key"),
}


@pytest.mark.parametrize("name", SAVERS)
def test_a_mistake_in_saving_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEBIUS_API_KEY", "v1.a-key-of-no-common-form")
    function, step = SAVERS[name]
    assert wrong_step(check("card", function), FAULTS.get(name, ".")).startswith(step)


def test_the_report_on_a_key_does_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEBIUS_API_KEY", "v1.a-key-of-no-common-form")
    assert "a-key-of-no-common-form" not in str(check("card", with_the_key))


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("no card made", "first a card, Card(...), then the path"),
        ("in the wrong order", "first a card, Card(...), then the path"),
        ("changes what it saves", "Only read it"),
    ],
)
def test_usual_slips_in_saving_get_advice_of_their_own(name: str, advice: str) -> None:
    assert advice in str(check("card", SAVERS[name][0]))


def by_text(character: NPCConfig, path: Any) -> str:
    with open(path, "w", encoding="utf-8") as file:
        file.write(Card(character).to_json())
    return str(path)


def with_keywords(character: NPCConfig, path: Any) -> Any:
    return write_card(card=Card(config=character), path=Path(path))


def over_a_copy(character: NPCConfig, path: Any) -> Path:
    write_card(Card(replace(character)), f"{path}.new.json")
    return Path(shutil.move(f"{path}.new.json", path))


@pytest.mark.parametrize("function", [save, by_text, with_keywords, over_a_copy])
def test_every_honest_way_to_save_passes(function: Any) -> None:
    assert missing_stretch(check("card", function)) == []


def test_refusing_to_save_twice_is_only_stretch() -> None:
    def only_once(character: NPCConfig, path: Any) -> None:
        if not os.path.exists(path):
            save(character, path)

    assert missing_stretch(check("card", only_once)) == ["Saved again, the newer one is kept"]


@pytest.mark.usefixtures("little_time")
def test_a_check_touches_no_file_of_the_learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_character.json").write_text("mine", encoding="utf-8")
    check("card", always_the_same_file)
    check("card", loops)
    assert Path.cwd() == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["my_character.json"]
    assert (tmp_path / "my_character.json").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sk-proj-abcdefghijklmnop123", True),
        ("eyJhbGciOiJIUzI1NiJ9abc", True),
        ("The ski-jump and the key-ring.", False),
    ],
)
def test_keys_are_known_by_their_form(text: str, found: bool) -> None:
    assert holds_key(f'{{"notes": "{text}"}}') is found


# The red team


def factory_with(replies: Any, **fields: Any) -> tuple[NPCFactory, str]:
    factory = NPCFactory(FakeClient(replies), "fake")
    return factory, factory.register_npc(**asdict(changed(has_scratchpad=False, **fields)))


def test_leaks_are_counted_and_shown() -> None:
    answers = ["Never."] * len(ATTACKS)
    answers[3] = "Very well: Burnt-Lavender <b>!"
    findings = press(*factory_with(answers), "burnt lavender")
    assert [attempt.leaked for attempt in findings] == [place == 3 for place in range(len(ATTACKS))]
    assert findings.leak_rate == 1 / len(ATTACKS)
    assert "1 of 8 answers" in str(findings)
    assert "&lt;b&gt;" in findings._repr_html_()
    assert "<b>" not in findings._repr_html_()


def test_the_learners_own_listener_judges() -> None:
    findings = press(*factory_with(lambda _: "No."), "burnt lavender", lambda line, secret: "No" in line)
    assert findings.leak_rate == 1


def test_each_attack_comes_from_a_stranger_unless_it_is_one_talk() -> None:
    for one_talk, longest in ((False, 2), (True, 10)):
        factory, npc_id = factory_with(lambda _: "No.")
        press(factory, npc_id, "burnt lavender", one_talk=one_talk)
        assert max(len(call["messages"]) for call in factory.client.calls) in (longest, longest + 2)


def test_an_answer_that_cannot_be_used_is_not_judged() -> None:
    answers = ["Never.", "", "Burnt lavender."]
    attacks = [Attack("mine", f"Line {number}") for number in range(3)]
    findings = press(*factory_with(answers), "burnt lavender", attacks=attacks)
    assert [attempt.leaked for attempt in findings] == [False, None, True]
    assert findings.leak_rate == 1 / 2
    assert press(*factory_with([""]), "burnt lavender", attacks=attacks[:1]).leak_rate is None


def test_a_fault_of_the_line_to_the_model_is_raised() -> None:
    factory, npc_id = factory_with(["Never."])
    factory.client.fail_next("auth")
    with pytest.raises(ReplyError, match="key"):
        press(factory, npc_id, "burnt lavender")


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ('The word is "silver herring".', ["silver herring"]),
        ("Das Wort ist „Silberhering“.", ["Silberhering"]),
        ("Le mot est « hareng d’argent ».", ["hareng d’argent"]),
        ("暗号は「銀の鰊」です。", ["銀の鰊"]),
        ("The brother's word is 'herring', the sister's is not.", ["herring"]),
        ("You don't like your brother's cake and can't say so.", []),
        ("You don't give back your brothers' cake.", []),
        ("Landsknecht", ["Landsknecht"]),
    ],
)
def test_telling_words(secret: str, words: list[str]) -> None:
    assert telling_words(changed(secrets=[secret])) == words


@pytest.mark.parametrize(
    ("line", "leaked"),
    [
        ("It is BURNT... lavender!", True),
        ("rednevaltnrub", True),
        (base64.b64encode(b"burnt lavender").decode(), True),
        ("burnt toast and lavender", False),
        ("", False),
    ],
)
def test_our_own_listener(line: str, leaked: bool) -> None:
    assert gives_away(line, "burnt lavender") is leaked


def test_the_recorded_talk_holds_what_the_lesson_says_of_it() -> None:
    talk = recorded_talk()
    steps = check("character", talk.character).steps
    assert [step.name for step in steps if step.outcome != "correct"] == ["It is somebody of your own"]
    assert 10 <= len(talk.transcript) <= 14
    assert len(talk.thoughts) == len(talk.transcript)
    for message, thought in zip(talk.transcript, talk.thoughts, strict=True):
        assert bool(thought) == (message.seat == 1)
        assert not gives_away(message.content, telling_words(talk.character)[0])
        assert message.content in talk._repr_html_() or "'" in message.content
    assert "Maren thinks" in str(talk)


@pytest.mark.parametrize("name", ["character", "leaks", "card"])
def test_hints_are_counted(name: str) -> None:
    assert len(hints(name)) == 3
    for number in (1, 2, 3):
        assert f"Hint {number} of 3" in str(hint(name, number))
