"""*What was sent*: the messages of a prompt, exactly, and with them what the character has forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from npc_lab.memory import ChatMessage
from npc_lab.rendering import escaped
from npc_lab.widgets.look import exactly
from npc_lab.widgets.takes import estimated_tokens

MOST_FORGOTTEN = 20  # messages of those that are no longer sent: enough to see where memory ends


def prompt_markup(title: str, messages: Sequence[ChatMessage], forgotten: Sequence[ChatMessage]) -> str:
    """The markup of one prompt: the system message, what is forgotten (greyed), and all else that is sent."""
    if not messages:
        return f"<p><b>{escaped(title)}</b>: nothing yet.</p>"
    characters = sum(len(message["content"]) for message in messages)
    size = f"{len(messages)} messages, {characters:,} characters"
    size += f", about {estimated_tokens(characters):,} tokens (estimated)"
    parts = [f"<p><b>{escaped(title)}</b>: {size}</p>", *map(_message, messages[:1])]
    if (hidden := len(forgotten) - MOST_FORGOTTEN) > 0:
        parts.append(f"<p class='npc-lab-forgotten'>{hidden} more forgotten messages</p>")
    parts += [_message(message, is_forgotten=True) for message in forgotten[-MOST_FORGOTTEN:]]
    return "".join([*parts, *map(_message, messages[1:])])


def _message(message: ChatMessage, is_forgotten: bool = False) -> str:
    style = " class='npc-lab-forgotten'" if is_forgotten else ""
    role = f"{message['role']} (forgotten, not sent)" if is_forgotten else message["role"]
    return f"<div{style}><code>{escaped(role)}</code>{exactly(message['content'])}</div>"
