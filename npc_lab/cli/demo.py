"""`npc-lab demo`: watch two characters of a shipped world talk."""

from dataclasses import asdict

from npc_lab.arena import ChatArena
from npc_lab.cli.screen import INDENT, SEAT_STYLES, Screen
from npc_lab.endpoints.connect import Connection
from npc_lab.errors import NPCLabError
from npc_lab.factory import NPCFactory
from npc_lab.worlds import World


class FactoryOnScreen(NPCFactory):
    """A factory that shows each reply word by word, and returns it when it is complete.

    So the arena, which knows nothing of streams and screens, can be watched without a change.
    """

    def __init__(self, connection: Connection, screen: Screen):
        super().__init__(*connection)
        self._screen = screen

    def chat_with_npc(self, npc_id: str, user_id: str, message: str) -> str:
        """Return the answer, and show it while it arrives."""
        stream = super().stream_with_npc(npc_id, user_id, message)
        style = SEAT_STYLES[list(self.npcs).index(npc_id)]
        self._screen.speak(self.npcs[npc_id].config.called(), style, stream, shows_thoughts=True)
        self._screen.say()
        return stream.reply.text


def show_talk(screen: Screen, world: World, connection: Connection, turns: int) -> None:
    """Let the world's two characters talk. Raise `NPCLabError` if one of them gets no reply."""
    factory = FactoryOnScreen(connection, screen)
    first, second = (factory.register_npc(**asdict(character)) for character in world.characters)
    arena = ChatArena(factory)
    talk = arena.start_conversation(first, second, world.opening)
    _introduce(screen, world)
    for _ in range(turns):
        succeeded, line = arena.run_turn(talk)
        if not succeeded:
            raise NPCLabError(line)
    measures = arena.evaluate_conversation(talk)
    lines = f"{turns} line{'s' if turns != 1 else ''}"
    screen.say(
        f"{lines}, on average {measures['avg_response_length']:.0f} characters and "
        f"{measures['avg_response_time']:.1f} seconds each.",
        "dim",
    )
    screen.say("What next? Talk with one of them: npc-lab chat. Open the course: npc-lab start.")


def _introduce(screen: Screen, world: World) -> None:
    screen.say()
    screen.say(world.title, "bold")
    screen.say(world.description)
    screen.say()
    for character, style in zip(world.characters, SEAT_STYLES, strict=True):
        screen.say(character.called(), style)
        screen.say(f"Goal: {character.goal}", indent=INDENT)
    screen.say()
    screen.say(f"(opening) {world.opening}", "italic")
    screen.say()
