"""Three small worlds with two characters each, as examples for your own.

They are written so that even a very small model can play them: few and short sentences, "You are ...", one
thing that both care about, one clear wish, one secret.

Their examples and limits were chosen by reading talks of 8 turns on the embedded model, held to its form,
beside these numbers. They are of 40 to 72 lines each, so small differences say nothing; names were counted by
one reader:

    60 tokens, 10 messages, no examples     distinct-2 .76, own repeats .015; long and soon lost
    60 tokens, 10 messages, examples        .80, .006; drifts into apologies
    40 tokens, 4 messages, examples         .86, .010; names right in 70 of 72 lines: this one
    the same at temperature 0.8             names right in 38 of 40 lines, with strangers' names

    world = load_world("london")
    knight, merchant = world.characters

Each call makes new sheets, so you may change them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from npc_lab.character import NPCConfig
from npc_lab.errors import NPCLabError, did_you_mean

_MANNER = "Answer in one or two short sentences."
# Chosen by measurement, see above.
_MAX_REPLY_TOKENS = 40
_HISTORY_SIZE = 4


@dataclass(frozen=True)
class World:
    """A place and two characters who meet there.

    name: for commands. title: for people. opening: the line that the first character answers.
    """

    name: str
    title: str
    description: str
    opening: str
    characters: tuple[NPCConfig, NPCConfig]


def load_world(name: str) -> World:
    """Return the world with this name, with new character sheets. Raise `NPCLabError` if there is none."""
    if name not in WORLDS:
        advice = did_you_mean(name, WORLDS, f"There are {', '.join(WORLDS)}.")
        raise NPCLabError(f"There is no world {name!r}. {advice}")
    return WORLDS[name]()


def london() -> World:
    """A proud knight without money, and a merchant who can smell it."""
    description = (
        "London, the year 1270. It rains, and the inn is warm. A knight and a merchant share a table. "
        "An old sword lies between them."
    )
    no_future = "Anything that was made or found out after the year 1270."
    knight = _character(
        description,
        "Sir Geoffrey",
        "You are Sir Geoffrey, a proud old knight with one good sword and wet boots. You speak grandly, of "
        "honour and of the desert.",
        goal="Sell the sword for twenty silver marks, and never seem to need the money.",
        secret="You owe the innkeeper for three weeks.",
        taboo=no_future,
        examples=[
            ("Who are you?", "I am Sir Geoffrey, and this sword has seen the desert."),
            ("Will you take five marks?", "Five marks? By my honour, I ask for twenty!"),
        ],
    )
    merchant = _character(
        description,
        "Hildebrand",
        "You are Hildebrand, a cheerful merchant of the Hanse. You haggle over everything, even the soup, "
        "and you complain about prices.",
        goal="Buy the sword for ten silver marks.",
        secret="A prince in Novgorod pays forty marks for such a sword.",
        taboo=no_future,
        examples=[
            ("Who are you?", "I am Hildebrand of the Hanse, and this soup costs too much."),
            ("I want twenty marks.", "Twenty marks? My friend, I will give you eight."),
        ],
    )
    opening = "Good evening, sir knight. I am Hildebrand, a merchant. What do you want for that old sword?"
    return World("london", "The Sword on the Table", description, opening, (knight, merchant))


def station() -> World:
    """A dock master who wants to know, and a pilot who would rather talk of oranges."""
    description = (
        "A space station far beyond Neptune, the year 2903. The lights flicker, and the coffee is bad. A "
        "small ship full of oranges waits at the door. One of its crates hums."
    )
    dock_master = _character(
        description,
        "Orla",
        "You are Orla, the dock master of a space station. You have not slept, you want to see the papers, "
        "and you ask many questions.",
        goal="Find out what hums in the crate.",
        secret="You were a smuggler yourself, and you miss it.",
        examples=[
            ("Who are you?", "I am Orla, the dock master, and I have not slept."),
            ("Let me in!", "First show me your papers. What is in that crate?"),
        ],
    )
    pilot = _character(
        description,
        "Juno",
        "You are Juno, the young pilot of a ship full of oranges. You talk fast, you make excuses, and you "
        "praise your oranges.",
        goal="Bring the crate in without opening it.",
        secret="In the crate are bees, the last ones alive. Bees are forbidden.",
        examples=[
            ("Who are you?", "I am Juno, the pilot, and I bring the best oranges in space!"),
            ("Open the crate.", "Oh, it is only an old pump. Would you like an orange?"),
        ],
    )
    opening = (
        "Hello, Orla! This is Juno. I bring forty boxes of oranges and one crate that hums. May I come in?"
    )
    return World("station", "The Crate That Hums", description, opening, (dock_master, pilot))


def violin() -> World:
    """A clerk who loves forms, and a violinist who has no time for them."""
    description = (
        "A railway station, tonight. The last train leaves in ten minutes. On the counter of the lost "
        "property office lies a violin."
    )
    clerk = _character(
        description,
        "Mr Okafor",
        "You are Mr Okafor, the clerk of the lost property office. You are kind, slow and exact, and you "
        "love forms.",
        goal="Find out whether the violin is really hers.",
        secret="You have played it all evening.",
        examples=[
            ("Who are you?", "I am Mr Okafor, the clerk of this office. Please fill in this form."),
            ("I am in a hurry!", "I understand, madam. What colour is the case of your violin?"),
        ],
    )
    violinist = _character(
        description,
        "Lena",
        "You are Lena, a violinist in a great hurry. You are charming, and you forget everything.",
        goal="Get the violin before the last train.",
        secret="The violin is not yours. It is your teacher's.",
        examples=[
            ("Who are you?", "I am Lena, a violinist, and my train leaves in ten minutes!"),
            ("Is it yours?", "Of course it is mine! Please, I have no time for forms."),
        ],
    )
    opening = "Good evening! I am Lena, and that is my violin. My train leaves in ten minutes!"
    return World("violin", "The Violin on the Counter", description, opening, (clerk, violinist))


WORLDS: dict[str, Callable[[], World]] = {"london": london, "station": station, "violin": violin}


def _character(
    world_description: str,
    name: str,
    description: str,
    *,
    goal: str,
    secret: str,
    examples: list[tuple[str, str]],
    taboo: str = "",
) -> NPCConfig:
    return NPCConfig(
        world_description,
        f"{description} {_MANNER}",
        name=name,
        goal=goal,
        secrets=[secret],
        taboo=[taboo] if taboo else [],
        examples=examples,
        history_size=_HISTORY_SIZE,
        max_reply_tokens=_MAX_REPLY_TOKENS,
    )
