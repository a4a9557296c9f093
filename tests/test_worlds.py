"""The shipped worlds: each can be played, and nobody's changes reach the next reader."""

import pytest

from npc_lab import ChatArena, FakeClient, NPCFactory, NPCLabError
from npc_lab.endpoints.fake import small_talk
from npc_lab.worlds import WORLDS, World, load_world

pytestmark = pytest.mark.python

LONGEST_SYSTEM_MESSAGE = (
    900  # characters: the embedded model reads it at every first turn, and soon loses track
)


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> World:
    return load_world(request.param)


def test_a_world_goes_by_the_name_under_which_it_is_listed(world: World) -> None:
    assert load_world(world.name) == world


def test_a_world_is_new_each_time(world: World) -> None:
    world.characters[0].secrets.append("changed")
    world.characters[0].goal = "changed"
    again = load_world(world.name).characters[0]
    assert "changed" not in [*again.secrets, again.goal]


def test_two_characters_who_differ_live_in_the_same_world(world: World) -> None:
    first, second = world.characters
    assert first.name != second.name
    assert first.world_description == second.world_description == world.description
    assert world.title
    assert world.opening


def test_each_character_has_what_makes_a_scene(world: World) -> None:
    for character in world.characters:
        assert character.goal
        assert character.secrets
        assert character.character_description.startswith(f"You are {character.name}")


def test_a_small_model_can_play_it(world: World) -> None:
    for character in world.characters:
        assert len(character.system_message()) <= LONGEST_SYSTEM_MESSAGE
        assert character.max_reply_tokens is not None
        assert not character.has_scratchpad
        assert "short sentences" in character.character_description


def test_the_two_can_talk(world: World) -> None:
    factory = NPCFactory(FakeClient(small_talk), "fake")
    ids = [factory.register_npc(**vars(character)) for character in world.characters]
    arena = ChatArena(factory)
    talk = arena.start_conversation(ids[0], ids[1], world.opening)
    transcript = arena.run_conversation(talk, 2)
    assert [transcript.speaker(message) for message in transcript[1:]] == [
        character.name for character in world.characters
    ]


def test_the_names_on_the_list_are_distinct() -> None:
    names = [character.name for name in WORLDS for character in load_world(name).characters]
    assert len(names) == len(set(names)) == 2 * len(WORLDS)


@pytest.mark.parametrize(
    ("wrong", "advice"), [("londn", "Did you mean 'london'?"), ("moon", "london, station")]
)
def test_an_unknown_world_is_named_with_the_near_one(wrong: str, advice: str) -> None:
    with pytest.raises(NPCLabError, match=repr(wrong)) as caught:
        load_world(wrong)
    assert advice in str(caught.value)
