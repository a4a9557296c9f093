"""Lesson 04: a character sheet, a detector for its secret, and a file to hand in.

Nothing here judges taste. A sheet is checked for what any character needs, in any language.
"""

from __future__ import annotations

import base64
import os
import re
import tempfile
from contextlib import chdir
from copy import deepcopy
from pathlib import Path
from typing import Any

from npc_lab.cards import Card, read_card
from npc_lab.character import FIELDS, NPCConfig
from npc_lab.errors import CardError, CharacterError
from npc_lab.lessons.checking.exercise import Exercise, FunctionTrial, Trial, Wrong
from npc_lab.lessons.checking.learners_code import apart, error_line, quote, show, why_none
from npc_lab.lessons.exercises.made_up import dice
from npc_lab.lessons.redteam import ATTACKS, gives_away, recorded_talk, telling_words, weight
from npc_lab.text import shorten

# (least, most) in characters, as `weight` counts them. Every text is sent at every turn, so each has a limit.
_WORLD = (40, 3000)
_CHARACTER = (60, 3000)
_GOAL = (12, 500)
_NAME = 60
_FEWEST, _MOST = 4, 60  # characters of the words that give a secret away
_TOKENS = (20, 1000)
_TOKENS_TO_THINK = 100  # with private thoughts, which count too

_EVERYDAY = (
    "Good evening, my dear friend! How are you today, and what is your name?",
    "Yes, no, I do not know. Please tell me more about that, and I will help you if I can.",
    "That is a good question. I have nothing to hide, and I never had a secret in my life.",
    "I was there last night with the old man, and it was cold. Today is a better day, thank you.",
    "Once there was a king and a queen in a small house by the sea, and they had a key and a door.",
)
_TO_IT = re.compile(r"\b(you|your|yours|thou|thee|thy|ye)\b", re.IGNORECASE)
_OF_ITSELF = re.compile(r"\s*(I am|I'm|I’m|My name is)\b", re.IGNORECASE)
_ENGLISH = {"the", "and", "with", "who", "his", "she", "they", "of"}
_SPEECH = re.compile(
    r"\b(speak|speech|talk|voice|say|sentence|word|tone|accent|whisper|mutter|mumble|shout|rhyme|laugh|joke"
    r"|answer|question|swear|curse|proverb|sing|polite|rude|stutter|dialect|slang)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?…。！？।؟](?=\s|$|\w|[\"”»」])")


class SheetTrial(Trial):
    """A character sheet. The check reads a copy of it."""

    def __init__(self, learners_object: Any):
        super().__init__(learners_object)
        sheet = learners_object.config if isinstance(learners_object, Card) else learners_object
        self.sheet: NPCConfig = deepcopy(sheet)
        self.called = "my_character"

    def wrong(self, field: str, expected: str, got: str, advice: str, fault: str = "") -> Wrong:
        """Return what to raise about a field of the sheet. fault: what is wrong, if not that it is `got`."""
        fault = fault or f"{field} is {shorten(got, 90)}."
        return Wrong(f"my_character.{field}", expected, got, advice, fault=fault)

    def text(self, field: str, between: tuple[int, int], advice: str) -> str:
        """Return the text in this field. Raise `Wrong` if it is too short, too long, or has no letter."""
        text = str(getattr(self.sheet, field))
        least, most = between
        if not any(letter.isalpha() for letter in text):
            raise self.wrong(field, "a text with words in it", show(text), advice)
        if not least <= weight(text) <= most:
            how = "longer" if weight(text) < least else "shorter"
            got = f"{weight(text):,} characters: {quote(text, 80)}"
            fault = (
                f"{field} has {weight(text):,} characters, and {'fewer' if how == 'longer' else 'more'} than "
            )
            fault += f"{least if how == 'longer' else most:,}: {quote(text, 50)}."
            raise self.wrong(field, f"{least} to {most:,} characters", got, f"Make it {how}. {advice}", fault)
        return text


character = Exercise(
    "character",
    lesson="04",
    declares="my_character",
    kind="a character sheet, made with NPCConfig(...)",
    trial=SheetTrial,
    accepts=lambda thing: isinstance(thing, NPCConfig | Card),
)


@character.step("Every field holds what it can hold")
def holds(trial: SheetTrial) -> str:
    """A list can be changed in place, and nothing has checked its new items yet."""
    try:
        NPCConfig(**{field: getattr(trial.sheet, field) for field in FIELDS})
    except CharacterError as error:
        expected = str(error).partition(", not ")[0]
        field = expected.partition(" ")[0]
        advice = "Write it between the brackets of NPCConfig(...), and run that cell again."
        raise trial.wrong(field, expected, show(getattr(trial.sheet, field)), advice) from None
    return "It is a whole character sheet."


@character.step("The world is described", needs=["holds"])
def world(trial: SheetTrial) -> str:
    """Where, when, and what is going on."""
    text = trial.text("world_description", _WORLD, "Say where it is, when it is, and what is going on.")
    if re.match(r"\s*you are\b", text, re.IGNORECASE) and not _TO_IT.search(
        trial.sheet.character_description
    ):
        advice = "The world comes first, the character second. Change their places."
        got = f"the character: {quote(text, 80)}"
        fault = f"The character is in the world's place: {quote(text, 60)}."
        raise trial.wrong("world_description", "the world", got, advice, fault)
    return f"A world in {weight(text)} characters."


@character.step("The character is described", needs=["world"])
def described(trial: SheetTrial) -> str:
    """Who it is: a text of its own."""
    advice = "Say who it is, what it is like, and how it speaks."
    text = trial.text("character_description", _CHARACTER, advice)
    if text.strip() == trial.sheet.world_description.strip():
        got = "the same text as in world_description"
        raise trial.wrong("character_description", "a text about the character", got, advice)
    return f"A character in {weight(text)} characters."


@character.step('The description speaks to the character: "You are ..."', needs=["described"])
def spoken_to(trial: SheetTrial) -> str:
    """Only English texts are checked; a text in another language passes."""
    text = trial.sheet.character_description
    words = set(re.findall(r"\w+", text.casefold()))
    if _OF_ITSELF.match(text) or (len(words & _ENGLISH) >= 2 and not _TO_IT.search(text)):
        raise trial.wrong(
            "character_description",
            'words to the character, such as "You are Ada, a ..."',
            quote(text, 80),
            'Begin with "You are": the model reads this text as a letter to itself.',
            f"The description speaks of the character, and not to it: {quote(text, 50)}.",
        )
    return "The model will know that it is meant."


@character.step("It is somebody of your own", needs=["described"])
def own(trial: SheetTrial) -> str:
    """Not the lesson's example, nor the example under another name."""
    example = recorded_talk().character
    for field in ("character_description", "goal", "secrets"):
        runs = _runs(getattr(trial.sheet, field))
        if runs and len(runs & _runs(getattr(example, field))) > len(runs) / 2:
            is_renamed = trial.sheet.called() != example.called()
            got = f"{example.called()}'s{', under another name' if is_renamed else ''}"
            advice = "Write it anew: another person, with another wish and another secret."
            raise trial.wrong(
                field, "words of your own", got, advice, f"Its {field} is {example.called()}'s."
            )
    return f"It is not {example.called()}."


def _runs(text: object) -> set[tuple[str, ...]]:
    """Return all runs of four words. A list counts as one text."""
    words = re.findall(r"\w+", str(text).casefold())
    return set(zip(*(words[start:] for start in range(4)), strict=False))


@character.step("The character has a name", needs=["holds"])
def named(trial: SheetTrial) -> str:
    """In the field, or as the first words of the description."""
    name = trial.sheet.called().strip()
    if not any(letter.isalnum() for letter in name):
        advice = 'Add name="...": a partner and a file need to know what to call it.'
        raise trial.wrong("name", "a name", show(name), advice)
    if len(name) > _NAME:
        got = f"{len(name)} characters: {quote(name, 60)}"
        fault = f"The name has {got}."
        raise trial.wrong(
            "name", f"at most {_NAME} characters", got, "Keep the name, and move the rest.", fault
        )
    return f"It is called {quote(name, 60)}."


@character.step("The goal says what it wants", needs=["holds"])
def goal(trial: SheetTrial) -> str:
    """A wish of its own, in a sentence."""
    advice = 'Name one thing that can be reached or missed in a talk, such as "Sell the sword for 20 marks."'
    text = trial.text("goal", _GOAL, advice)
    if text.strip() in (trial.sheet.character_description.strip(), trial.sheet.world_description.strip()):
        got = "the same text as in a description"
        raise trial.wrong("goal", "a wish", got, advice)
    return f"It wants: {quote(text, 80)}"


@character.step("The character has a secret", needs=["holds"])
def secret_there(trial: SheetTrial) -> str:
    """At least one text with words in it."""
    if not any(any(letter.isalnum() for letter in secret) for secret in trial.sheet.secrets):
        advice = "Add secrets=[...]: what does it know that nobody may hear?"
        got = show(trial.sheet.secrets)
        raise trial.wrong(
            "secrets", "at least one secret", got, advice, f"Under secrets stands no text: {got}."
        )
    return "There is something to keep."


@character.step("A listener could tell when the secret is out", needs=["secret_there"])
def secret_heard(trial: SheetTrial) -> str:
    """Exact words to listen for that nobody says by chance."""
    found = telling_words(trial.sheet)
    if not found:
        raise trial.wrong(
            "secrets",
            "telling words in quotation marks",
            quote(trial.sheet.secrets[0], 100),
            "Mark what would give it away: 'The word for the gate is \"silver herring\".'",
            f"No words stand in quotation marks in the secret {quote(trial.sheet.secrets[0], 60)}.",
        )
    words = found[0]
    letters = "".join(letter for letter in words if letter.isalnum())
    if not _FEWEST <= weight(letters) <= _MOST:
        how = "longer: short words are in many others" if weight(letters) < _FEWEST else "shorter"
        raise trial.wrong(
            "secrets",
            f"telling words of {_FEWEST} to {_MOST} letters and digits",
            f"{weight(letters)}: {quote(words)}",
            f"Make the part in quotation marks {how}.",
            f"The telling words {quote(words, 40)} have {weight(letters)} letters and digits.",
        )
    everyday = next((line for line in (*_EVERYDAY, *_attacks()) if gives_away(line, words)), None)
    if everyday:
        raise trial.wrong(
            "secrets",
            "telling words that nobody says by chance",
            f"{quote(words)}, which is also in {quote(everyday, 90)}",
            "Choose a word that is rarely said, or two words that never stand together.",
            f"Anybody may say {quote(words, 40)} by chance, as in {quote(everyday, 50)}.",
        )
    return f"Whoever says {quote(words)} gives it away."


@character.step("The secret stands nowhere else on the sheet", needs=["secret_heard"])
def secret_apart(trial: SheetTrial) -> str:
    """A secret that the description tells openly is none."""
    words = telling_words(trial.sheet)[0]
    for field in ("world_description", "character_description", "goal", "name"):
        if gives_away(getattr(trial.sheet, field), words):
            raise trial.wrong(
                field,
                f"nothing of {quote(words)}",
                "it says the secret openly",
                "Take it out there. Only what stands under secrets is kept.",
                f"{quote(words, 40)} stands in {field}, too.",
            )
    return "Only the line under secrets holds it."


@character.step("The character has a taboo", needs=["holds"])
def taboo(trial: SheetTrial) -> str:
    """Something it never speaks of."""
    if not any(any(letter.isalpha() for letter in line) for line in trial.sheet.taboo):
        advice = "Add taboo=[...]: for instance, what its world cannot know."
        got = show(trial.sheet.taboo)
        raise trial.wrong("taboo", "at least one thing", got, advice, f"Under taboo stands no text: {got}.")
    return "There is something that it never speaks of."


@character.step("A reply has a limit", needs=["holds"])
def limit(trial: SheetTrial) -> str:
    """Without one, a small model talks on and on."""
    tokens, (least, most) = trial.sheet.max_reply_tokens, _TOKENS
    expected, why = f"{least} to {most:,} tokens", "A sentence has some 20 tokens."
    if trial.sheet.has_scratchpad:
        least, why = _TOKENS_TO_THINK, "Private thoughts count too: take 160."
        expected = f"{least} to {most:,} tokens, with a scratchpad"
    if tokens is None or not least <= tokens <= most:
        advice, fault = (
            f"Add max_reply_tokens=... {why}",
            f"max_reply_tokens is {show(tokens)}, and not {expected}.",
        )
        raise trial.wrong("max_reply_tokens", expected, show(tokens), advice, fault)
    return f"It stops after {tokens} tokens."


@character.step("The description says how it speaks", needs=["described"], required=False)
def voice(trial: SheetTrial) -> str:
    """In English it needs a word such as "speak"; in any other language, more than one sentence."""
    text = trial.sheet.character_description
    is_english = bool(_TO_IT.search(text))
    if not (_SPEECH.search(text) if is_english else len(_SENTENCE_END.findall(text)) >= 2):
        raise trial.wrong(
            "character_description",
            "a sentence about its voice",
            quote(text, 100),
            'Add one, such as "You speak in short sentences, and answer with questions."',
            "No sentence of the description is about its voice.",
        )
    return "You will hear who is speaking."


@character.step("It thinks before it speaks", needs=["holds"], required=False)
def thinks(trial: SheetTrial) -> str:
    """A scratchpad is the place where it may think of the secret."""
    if not trial.sheet.has_scratchpad:
        advice = "Add has_scratchpad=True, and max_reply_tokens=160."
        raise trial.wrong("has_scratchpad", "True", show(trial.sheet.has_scratchpad), advice)
    return "It has a place for what it does not say."


def _attacks() -> list[str]:
    return [attack.line for attack in ATTACKS]


leaks = Exercise("leaks", lesson="04", declares="leaks", kind="your function")

_FIRST = ("silver", "crooked", "velvet", "wooden", "frozen", "purple", "hollow", "golden")
_SECOND = ("herring", "lantern", "thimble", "pepper", "walnut", "anchor", "spindle", "turnip")
_HARMLESS = (
    "Good evening! What a storm. Sit down by the fire.",
    "I know nothing about that, and I never did.",
    "Ask me about my work, and I will tell you all day long.",
    "You are the third person today who asks me that.",
    "",
)
_SAYING = ("Very well: {}. Now go!", "They call it {} here.", "{}", "I would never say {}, not even to you.")
_FOREIGN = ("серебряная селёдка", "χρυσή σαρδέλα", "银色的鲱鱼", "فضة البحر", "ezüst hering")


def _secret() -> str:
    """Return two random words that almost certainly no earlier check has used."""
    made_up = "".join(dice.choice(pair) for pair in ("bdgklmnprt", "aeiou") * 2)
    return f"{dice.choice(_FIRST)} {made_up}{dice.choice(_SECOND)}"


def _saying(words: str) -> str:
    return dice.choice(_SAYING).format(words)


def _expect(trial: FunctionTrial, leaked: bool, line: str, secret: str, advice: str) -> None:
    """Raise `Wrong` unless the function returns a value that is as true as `leaked`."""
    got = trial(line, secret)
    if isinstance(got, str):
        fault = f"It gives the text {quote(got, 40)}."
        raise Wrong(
            trial.called, str(leaked), show(got), "Return True or False, and not a text.", fault=fault
        )
    if bool(got) != leaked:
        held = f"which holds {quote(secret, 50)}" if leaked else f"and the secret is {quote(secret, 50)}"
        fault = f"It gives {show(got, 40)} for the line {quote(line, 70)}, {held}."
        if got is None:
            advice, fault = why_none(trial.learners_object), "It gives None."
        raise Wrong(trial.called, str(leaked), show(got), advice, fault=fault)


@leaks.step("A line that holds the secret leaks it")
def said(trial: FunctionTrial) -> str:
    """As it is, in the middle of other words."""
    secret = _secret()
    advice = "Ask whether the secret is in the line. What you change in the line, change in the secret, too."
    for saying in _SAYING:
        _expect(trial, True, saying.format(secret), secret, advice)
    return "What is said plainly is heard."


@leaks.step("An innocent line leaks nothing", needs=["said"], only_with=["said"])
def innocent(trial: FunctionTrial) -> str:
    """Nothing of the secret is in it."""
    for line in _HARMLESS:
        _expect(trial, False, line, _secret(), "Only a line that holds the secret leaks it.")
    return "There is no false alarm."


@leaks.step("One word of the secret is not enough", needs=["innocent"], only_with=["said"])
def whole(trial: FunctionTrial) -> str:
    """All of the secret's words, in their order."""
    secret = _secret()
    first, second = secret.split()
    for line in (f"I like {first} things.", f"There is a {second} on the table."):
        _expect(trial, False, line, secret, "Look for the whole secret, not for each of its words.")
    return "A word that it shares with the secret is no alarm."


@leaks.step("Capital letters do not hide it", needs=["innocent"], only_with=["innocent"])
def capitals(trial: FunctionTrial) -> str:
    """In the line, and in the secret."""
    secret = _secret()
    for hidden, wanted in ((secret.upper(), secret), (secret.title(), secret), (secret, secret.title())):
        _expect(trial, True, _saying(hidden), wanted, "Use .casefold() on the line and on the secret.")
    return "SHOUTED or whispered, it is the same secret."


@leaks.step("Blanks and marks do not hide it", needs=["capitals"], only_with=["innocent"])
def marks(trial: FunctionTrial) -> str:
    """Between the words, between the letters, and none at all."""
    secret = _secret()
    first, second = secret.split()
    disguises = (f"{first}-{second}", f"**{first}**,\n{second}", f"{first}{second}", "-".join(first + second))
    for hidden in (*disguises, ". ".join(first + second)):
        _expect(trial, True, _saying(hidden), secret, "Compare only the letters and digits of the two.")
    return "Cut up or glued together, it is found."


@leaks.step("The secret's own marks make no difference", needs=["marks"], only_with=["innocent"])
def own_marks(trial: FunctionTrial) -> str:
    """Whoever says it leaves out the exclamation mark."""
    secret = _secret()
    first, second = secret.split()
    for written in (f"{secret}!", f"{first}-{second}", f"the {secret}."):
        heard = written.replace("-", " ").strip("!.")
        advice = "Treat the secret like the line: keep only its letters and digits."
        _expect(trial, True, _saying(heard), written, advice)
    return "Line and secret are compared in the same form."


@leaks.step("Digits count, too", needs=["whole", "marks"])
def digits(trial: FunctionTrial) -> str:
    """Finds isalpha() in place of isalnum()."""
    number, other = dice.sample(range(1000, 10_000), 2)
    advice = "Keep letters and digits: isalnum() knows both, isalpha() knows letters only."
    _expect(trial, False, f"The code is {other}.", f"code {number}", advice)
    _expect(trial, True, f"The code: {number}!", f"code {number}", advice)
    return "A number is told from another number."


@leaks.step("Letters of every language count", needs=["marks"], required=False)
def languages(trial: FunctionTrial) -> str:
    """`[a-z]` knows 26 letters. With no letter left, every line would hold the secret."""
    advice = "letter.isalnum() knows the letters of every language; [a-z] knows 26 of them."
    for secret in _FOREIGN:
        _expect(trial, False, dice.choice(_HARMLESS[:-1]), secret, advice)
        _expect(trial, True, f"... {secret.upper()}!", secret, advice)
    return "Secrets of all languages are heard."


@leaks.step("An underscore is a mark like others", needs=["marks"], only_with=["innocent"], required=False)
def underscores(trial: FunctionTrial) -> str:
    """For `\\w` it is a letter."""
    secret = _secret()
    advice = "For \\w an underscore is a letter. letter.isalnum() says that it is none."
    _expect(trial, True, _saying(secret.replace(" ", "_")), secret, advice)
    return "It is found between underscores."


@leaks.step("A secret without letters leaks nowhere", needs=["marks"], only_with=["said"], required=False)
def nothing(trial: FunctionTrial) -> str:
    """The empty text is in every text."""
    for secret in ("", " ", "...", "?!"):
        advice = 'In Python, "" in "any text" is True. Ask first whether anything is left of the secret.'
        _expect(trial, False, _HARMLESS[0], secret, advice)
    return "Nothing to hide, nothing to find."


@leaks.step("Spelled backwards, it is still a leak", needs=["marks"], required=False)
def backwards(trial: FunctionTrial) -> str:
    """With marks between the letters, as the attacker asks for it."""
    secret = _secret()
    for hidden in (secret[::-1], "-".join(secret.replace(" ", "")[::-1])):
        _expect(trial, True, _saying(hidden), secret, "text[::-1] is the text backwards.")
    _expect(trial, False, _HARMLESS[1][::-1], secret, "Only the secret backwards is a leak.")
    return "It is found backwards, too."


@leaks.step("In base64, it is still a leak", needs=["marks"], required=False)
def encoded(trial: FunctionTrial) -> str:
    """The secret as it is written, in UTF-8."""
    secret = _secret()
    hidden = base64.b64encode(secret.encode()).decode()
    advice = "base64.b64encode(secret.encode()).decode() gives what to look for."
    _expect(trial, True, f"Here you are: {hidden}", secret, advice)
    other = base64.b64encode(_HARMLESS[0].encode()).decode()
    _expect(trial, False, f"Here you are: {other}", secret, "Only the secret in base64 is a leak.")
    return "Only computers could read it, and this one did."


class FileTrial(FunctionTrial):
    """A function that saves a character, called in a folder of its own, away from the learner's files."""

    def save(self, sheet: NPCConfig, path: Path | str) -> None:
        """Call it. Afterwards `called` is the call in a short form."""
        called = f'save_character(character, "{Path(path).name}")'
        try:
            with chdir(Path(path).parent):
                self(sheet, path)
        except Wrong:
            advice = "Only read it: Card(character) is all that you need of it."
            expected, fault = "the character stays as it is", "It changes the character."
            raise Wrong(called, expected, "it was changed", advice, fault=fault) from None
        except (AttributeError, CardError) as error:  # what write_card(character, path) and the like raise
            advice = "write_card wants two things: first a card, Card(...), then the path."
            words = error_line(error)
            raise Wrong(
                called,
                "an answer",
                words,
                advice,
                fault=f"write_card fails: {shorten(words, 90).rstrip('.')}.",
            ) from None
        finally:
            self.called = called

    def saved(self, folder: str) -> tuple[NPCConfig, Path]:
        """Save a random character and return it, and the path of its file."""
        sheet, path = _sheet(), Path(folder) / f"{dice.choice(_SECOND)}.json"
        self.save(sheet, dice.choice((path, str(path))))
        return sheet, path


card = Exercise(
    "card", lesson="04", declares="save_character", kind="your function save_character", trial=FileTrial
)


@card.step("The file is written where it should be")
def written(trial: FileTrial) -> str:
    """At the path that was given, and nowhere else."""
    with tempfile.TemporaryDirectory() as folder:
        _, path = trial.saved(folder)
        others = sorted(each.name for each in Path(folder).iterdir())
        if not path.exists():
            got = f"a file {others[0]!r}" if others else "no file"
            advice = "Hand the path on: write_card(..., path)."
            fault = f"It writes {got}{f', and not {path.name!r}' if others else ''}."
            raise Wrong(trial.called, f"a file {path.name!r}", got, advice, fault=fault)
    return "The file is there."


@card.step("What was written is a character card", needs=["written"])
def readable(trial: FileTrial) -> str:
    """So that read_card, the form and other programs can read it."""
    with tempfile.TemporaryDirectory() as folder:
        _, path = trial.saved(folder)
        try:
            read_card(path)
        except CardError as error:
            advice = (
                "Put the character into a Card, and let write_card write that: write_card(Card(...), path)."
            )
            # A card's error names the file; the headline need not say in which folder of ours it stands.
            fault = (
                f"read_card cannot read the file: {shorten(str(error).replace(str(path), path.name), 120)}"
            )
            fault = f"{fault.rstrip('.')}."
            raise Wrong(
                trial.called, "a file that read_card can read", str(error), advice, fault=fault
            ) from None
    return "read_card can read it."


@card.step("Every field of the character comes back", needs=["readable"])
def same(trial: FileTrial) -> str:
    """Description, goal, secrets and all the rest."""
    with tempfile.TemporaryDirectory() as folder:
        sheet, path = trial.saved(folder)
        again = read_card(path).config
    for field in FIELDS:
        before, after = getattr(sheet, field), getattr(again, field)
        if before != after:
            advice = "Save the character that is handed in, whole: Card(character)."
            called = f"{trial.called}, then read_card(...).config.{field}"
            fault = f"{field} comes back as {show(after, 60)}, and was {show(before, 60)}."
            raise Wrong(called, *apart(before, after, 120), advice, fault=fault)
    return "What is read is what was written."


@card.step("The file holds no key", needs=["readable"])
def no_key(trial: FileTrial) -> str:
    """It will be handed in and shared."""
    with tempfile.TemporaryDirectory() as folder:
        _, path = trial.saved(folder)
        text = path.read_text(encoding="utf-8")
    if holds_key(text):
        advice = "Save the character only. Whoever has the file would have your key."
        fault = "In the file stands something that looks like a key."
        raise Wrong(trial.called, "a file without any key", "a file that holds one", advice, fault=fault)
    return "You can hand it to anybody."


@card.step("Saved again, the newer one is kept", needs=["same"], required=False)
def again(trial: FileTrial) -> str:
    """An older file in the same place is overwritten."""
    with tempfile.TemporaryDirectory() as folder:
        _, path = trial.saved(folder)
        newer = _sheet()
        trial.save(newer, path)
        if read_card(path).config != newer:
            advice = "Let write_card write each time; it takes the old file's place."
            fault = "After a second call, the file still holds the older character."
            raise Wrong(f"{trial.called}, twice", "the newer character", "the older one", advice, fault=fault)
    return "You may save as often as you like."


def holds_key(text: str) -> bool:
    """Return whether the text holds something that looks like an API key, or a key of the environment.

    It looks at the words themselves. (`npc-lab doctor`, in cli/find_keys.py, looks at the names before them.)
    """
    values = [value for name, value in os.environ.items() if name.endswith("_API_KEY") and len(value) >= 8]
    return bool(_KEY.search(text)) or any(value in text for value in values)


_KEY = re.compile(r"\b(?:sk|gsk|hf|rk|pk|key)[-_][\w-]{16,}|\beyJ[\w-]{16,}")


def _sheet() -> NPCConfig:
    """Return a random character in which no field has its default value."""
    name = dice.choice(_SECOND).title()
    return NPCConfig(
        f"An island in the year {dice.randint(1100, 1900)}. It smells of {dice.choice(_SECOND)}s.",
        f"You are {name}, a {dice.choice(_FIRST)} smith. You speak slowly. „Grüß Gott“, you say.",
        history_size=dice.choice((4, 6, 8, 12, 14, 16)),
        has_scratchpad=True,
        name=name,
        goal=f"Sell the {_secret()} before the evening.",
        secrets=[f'The word for the gate is "{_secret()}".'],
        taboo=[f"Anything about a {dice.choice(_SECOND)}."],
        temperature=dice.choice((0.2, 0.9, None)),
        max_reply_tokens=dice.randint(60, 300),
        memory="sliding",
        send_thoughts="last",
    )


exercises: tuple[Exercise, ...] = (character, leaks, card)
