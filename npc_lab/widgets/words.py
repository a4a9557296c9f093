"""What the panels put into words: a private thought."""

from __future__ import annotations

from npc_lab.memory import ChatMessage
from npc_lab.scratchpad import split_thoughts


def thought_in(answer: ChatMessage, has_scratchpad: bool) -> str:
    """Return the private thought in an answer as an NPC remembers it, or ""."""
    _, thought = split_thoughts(answer["content"], has_scratchpad)
    return "\n".join(filter(None, (answer.get("reasoning_content", ""), thought)))
