"""What the panels put into words: an error, a private thought, a number of tokens."""

from __future__ import annotations

from npc_lab.errors import NPCLabError
from npc_lab.memory import ChatMessage
from npc_lab.scratchpad import split_thoughts

CHARACTERS_PER_TOKEN = 4  # in English, roughly: the rule of thumb that OpenAI's help pages give


def in_words(error: Exception) -> str:
    """Return what went wrong. The kit's own errors explain themselves; others need their type's name."""
    return str(error) if isinstance(error, NPCLabError) else f"{type(error).__name__}: {error}"


def thought_in(answer: ChatMessage, has_scratchpad: bool) -> str:
    """Return the private thought in an answer as an NPC remembers it, or ""."""
    _, thought = split_thoughts(answer["content"], has_scratchpad)
    return "\n".join(filter(None, (answer.get("reasoning_content", ""), thought)))


def estimated_tokens(characters: int) -> int:
    """Return about how many tokens a text of so many characters has."""
    return max(1, round(characters / CHARACTERS_PER_TOKEN)) if characters else 0
