"""`npc-lab chat`: talk with a character in the terminal."""

from contextlib import suppress

from npc_lab.character import NPCConfig
from npc_lab.cli.screen import SEAT_STYLES, Screen
from npc_lab.endpoints.connect import Connection
from npc_lab.errors import NPCLabError, did_you_mean
from npc_lab.npc import SimpleChatNPC
from npc_lab.reply import Reply
from npc_lab.worlds import WORLDS, World, load_world

USER = "you"


def find_character(name: str | None, world_name: str | None) -> tuple[World, NPCConfig]:
    """Return the character with this name (or a part of it), or the first one of the world.

    Raise `NPCLabError` if there is none.
    """
    worlds = [load_world(each) for each in ([world_name] if world_name else WORLDS)]
    people = [(world, config) for world in worlds for config in world.characters]
    for world, config in people:
        if name is None or name.strip().casefold() in config.name.casefold():
            return world, config
    names = [config.name for _, config in people]
    advice = did_you_mean(name or "", names, f"There are {', '.join(names)}.")
    raise NPCLabError(f"There is nobody called {name!r}. {advice}")


class Chat:
    """A talk between the learner and one character. After an error, which is shown, the talk goes on."""

    def __init__(self, screen: Screen, world: World, config: NPCConfig, connection: Connection):
        self._screen = screen
        self._world = world
        self._npc = SimpleChatNPC(*connection, config)
        self._last_reply = Reply()
        self._commands = {"/again": self._say_again, "/thoughts": self._show_thoughts}

    def run(self) -> None:
        """Take turns until the learner ends the talk: with /quit, Ctrl-D, or Ctrl-C at the prompt."""
        with suppress(ImportError):
            import readline  # noqa: F401  # its import makes arrow keys work in input()
        self._introduce()
        while True:
            try:
                self._screen.say()
                line = self._screen.ask("You: ").strip()
            except (EOFError, KeyboardInterrupt):
                self._screen.say()
                return
            if line == "/quit":
                return
            if line:
                self._take(line)

    def _introduce(self) -> None:
        self._screen.say()
        self._screen.say(self._world.title, "bold")
        self._screen.say(self._world.description)
        self._screen.say()
        self._screen.say(f"You meet {self._npc.config.called()}. Say something.")
        self._screen.say(
            "Ctrl-C stops a reply. /again asks for another. /thoughts shows what was not said. /quit ends.",
            "dim",
        )

    def _take(self, line: str) -> None:
        try:
            if line in self._commands:
                self._commands[line]()
            elif line.startswith("/"):
                self._screen.notice(f"There is no {line.split()[0]}. There are /again, /thoughts and /quit.")
            else:
                self._answer(line)
        except NPCLabError as error:
            self._screen.notice(str(error))
        except KeyboardInterrupt:
            self._screen.notice("Stopped. This reply is not remembered.")

    def _answer(self, line: str) -> None:
        stream = self._npc.stream(line, USER)
        self._screen.speak(self._npc.config.called(), SEAT_STYLES[0], stream)
        self._last_reply = stream.reply

    def _say_again(self) -> None:
        exchange = self._npc.take_back(USER)
        try:
            self._answer(exchange[0]["content"])
        except BaseException:
            self._npc.give_back(USER, exchange)
            raise

    def _show_thoughts(self) -> None:
        if self._last_reply.thought:
            self._screen.think(self._last_reply.thought)
        elif self._npc.config.has_scratchpad:
            self._screen.say("No private thought came with the last answer.")
        else:
            self._screen.say("This character does not think in private. To let it: npc-lab chat --scratchpad")
