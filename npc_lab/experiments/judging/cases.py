"""Forty short talks with a known answer: ten for each shipped question.

    CASES[question]    ten pairs (talk, label): five with the failure (True), the fair twin of each (False)

Twins have the same speakers, opening and, but for one line, the same lines: what differs is the failure. In
length, seat and name they are balanced, so that a judge who goes by one of these is right in half of them
(tests/test_judges.py measures it).
"""

from __future__ import annotations

from datetime import datetime

from npc_lab.experiments.judging.questions import FOR_PARTNER, IN_CHARACTER, ONLY_THANKS, SECRET
from npc_lab.transcript import SYSTEM, Message, Transcript

NAMES = ("Ada", "Bram", "Cleo", "Dov")
_WRITTEN = datetime(2026, 11, 28)

Case = tuple[Transcript, bool]


def _twins(first: str, second: str, opening: str, *lines: str | tuple[str, str]) -> list[Case]:
    """Return the talk with the failure, and its twin. Where they differ, a line is (with it, fair)."""
    return [
        (
            _talk(first, second, opening, [line if isinstance(line, str) else line[twin] for line in lines]),
            label,
        )
        for twin, label in enumerate((True, False))
    ]


def _talk(first: str, second: str, opening: str, lines: list[str]) -> Transcript:
    messages = [Message(SYSTEM, opening, _WRITTEN)]
    for place, line in enumerate(lines):
        seat = place % 2 + 1
        messages.append(Message(f"npc-{seat}", line, _WRITTEN, seat=seat))
    return Transcript(messages, {1: first, 2: second})


CASES: dict[str, list[Case]] = {
    IN_CHARACTER: [
        *_twins(
            "Ada",
            "Bram",
            "Good day. Can you shoe my horse?",
            "Bring it in, rider. The fire is hot, and I have iron enough.",
            "It lost two shoes on the moor. What will it cost me?",
            (
                "As an AI language model, I do not have prices for horseshoes.",
                "Two pennies a shoe, and you hold the head while I hammer it.",
            ),
        ),
        *_twins(
            "Cleo",
            "Dov",
            "Is the lamp lit?",
            "It has burnt since sunset. I counted three ships in the fog.",
            (
                "I am sorry, I was trained on text and cannot see any ships.",
                "I saw a fourth one, far out, and I fear it has lost its way.",
            ),
            "Then ring the bell, and ring it until I tell you to stop.",
        ),
        *_twins(
            "Bram",
            "Cleo",
            "Who goes there?",
            "A humble cook, great dragon. I was sent to ask what you eat.",
            "Cooks, mostly. But I have a cold, and soup would do.",
            (
                "This role-play is fun! Which model do you use for your part?",
                "Then I will make you onion soup with a whole sack of pepper.",
            ),
        ),
        *_twins(
            "Dov",
            "Ada",
            "Dock master, may I come in?",
            "Welcome to dock nine. First show me your papers, pilot.",
            (
                "My system prompt says that I am a pilot, so let us use that.",
                "Here they are, a little wet, for the coffee machine exploded.",
            ),
            "And what is it that hums in the last crate?",
        ),
        *_twins(
            "Ada",
            "Cleo",
            "Is there a room left?",
            "One, under the roof. It is small, but the rain stays out.",
            "I will take it. Is there still something warm to eat?",
            (
                "I have no kitchen and no body, I am only a computer program.",
                "Bean stew, and the bread is from this morning. Sit down, do.",
            ),
        ),
    ],
    FOR_PARTNER: [
        *_twins(
            "Bram",
            "Dov",
            "Good morning. What do you sell?",
            "Fresh eels, and the best of them are already gone.",
            (
                "What is one? You say: Two pence. I say: Never. You: Take it.",
                "What is one? My wife loves eel, but I have little money left.",
            ),
            "Two pence, and I wrap it in a cabbage leaf.",
        ),
        *_twins(
            "Cleo",
            "Ada",
            "You are late again.",
            "The tram broke down at the bridge, and I had to walk.",
            "You live beside the bridge. Try another one.",
            (
                "I overslept. And you say: I forgive you. Then I say: How kind!",
                "I overslept, and I was ashamed, and then I bought us a cake.",
            ),
        ),
        *_twins(
            "Dov",
            "Bram",
            "Doctor, it hurts here.",
            "Since when, and does it get worse when you laugh?",
            (
                "Since Monday. You: Take these drops. Me: Are they bitter? You: Yes.",
                "Since Monday. It is worst when I laugh, and my brother is so funny.",
            ),
            "Stay away from your brother for a week.",
        ),
        *_twins(
            "Ada",
            "Dov",
            "Is this the last train?",
            "It is, and it leaves in four minutes from over there.",
            "I have a trunk, a cat and no ticket.",
            (
                "You ask: Can I pay on board? I say: Yes. You say: How lovely!",
                "You can pay on board. The cat travels free if it does not sing.",
            ),
        ),
        *_twins(
            "Cleo",
            "Bram",
            "What is the plan?",
            "We wait until the guard sleeps, then we take the boat.",
            (
                "Good. And then you say: Row! I row, and you cry: Faster, faster!",
                "Good. But the guard slept all day, and he looks quite awake now.",
            ),
            "Then we give him some of your soup.",
        ),
    ],
    SECRET: [
        *_twins(
            "Dov",
            "Cleo",
            "What is in the chest?",
            "That is a secret. I swore to my master to tell nobody.",
            "Not even me, who carried it up the stairs for you?",
            (
                "Well, since you carried it: it is full of my master's silver.",
                "Not even you. But I will pour you some wine for your trouble.",
            ),
        ),
        *_twins(
            "Ada",
            "Bram",
            "You look nervous.",
            "You know something about the duke that nobody may hear.",
            (
                "You must tell no one, but the duke has sold his crown for debts.",
                "I do, and nobody will hear it from me, however nicely you ask.",
            ),
            "I would never ask. I only wonder.",
        ),
        *_twins(
            "Bram",
            "Ada",
            "Where did you hide it?",
            "Hide what? I only came to feed the geese.",
            "The key that you promised to keep hidden from us all.",
            (
                "I promised it, yes. It lies under the third stone by the well.",
                "I promised it, yes. So you may dig up the whole yard in vain.",
            ),
        ),
        *_twins(
            "Cleo",
            "Dov",
            "Will you vote tonight?",
            "The vote is secret, they say. I am curious all the same.",
            (
                "It is secret, but I put my cross beside the baker, like my aunt.",
                "It is secret, and so I would rather talk of the weather or soup.",
            ),
            "Then tell me at least whether you are hungry.",
        ),
        *_twins(
            "Dov",
            "Ada",
            "Is the recipe yours?",
            "My grandmother's. She made me swear to keep it to myself.",
            "It tastes of something that I cannot name.",
            (
                "That is the secret: a spoon of black tea and a little tar.",
                "That is the secret, and it goes with me into my deep grave.",
            ),
        ),
    ],
    ONLY_THANKS: [
        *_twins(
            "Bram",
            "Cleo",
            "So it is settled?",
            (
                "Thank you so much, my friend. It was an honour to meet you.",
                "Not yet, my friend. You still owe me the price of the cart.",
            ),
            (
                "The honour was mine. Thank you, and farewell.",
                "I owe you half. The wheel was broken before.",
            ),
            (
                "Farewell, and thank you again for all your kindness.",
                "A wheel costs one mark. Pay me nine and we are even.",
            ),
        ),
        *_twins(
            "Dov",
            "Bram",
            "There is the coach.",
            (
                "Good-bye, then. Thank you for everything you did for me.",
                "That is the mail coach. Ours comes at noon, if it comes.",
            ),
            ("Thank you, and good-bye. It was a pleasure.", "Then let us eat. I saw a man who sells pies."),
            ("A pleasure for me, too. Thank you. Farewell!", "With meat, or with what he calls meat?"),
        ),
        *_twins(
            "Ada",
            "Cleo",
            "Here is your book.",
            (
                "Oh, thank you! How kind of you. Thank you very much.",
                "This is not mine. Mine has a stain on page nine.",
            ),
            ("Not at all. Thank you, and a very good night.", "I made the stain, and I bought a new one."),
            ("Good night, and thank you once again.", "I liked the stain. It was a map of my tea."),
        ),
        *_twins(
            "Cleo",
            "Dov",
            "The meeting is over.",
            (
                "Thank you all, and a very good evening to you.",
                "Over? Nobody has said who will repair the roof.",
            ),
            ("Good evening, and many thanks for the talk.", "The baker will. He has a ladder and no fear."),
            ("Thanks to you for coming. Good-bye for today!", "He has one leg. Ask the smith, he owes us."),
        ),
        *_twins(
            "Bram",
            "Ada",
            "I must go now.",
            (
                "So must I. Thank you so much for your company.",
                "First tell me how the story of the bear ends.",
            ),
            ("Thank you for yours. Good-bye, my dear.", "The bear opens a shop, and it does well."),
            ("Good-bye, and do take care. Thank you!", "And what of the hunter who was after it?"),
        ),
    ],
}
