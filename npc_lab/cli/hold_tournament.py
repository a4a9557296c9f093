"""`npc-lab tournament`: cards that were handed in, played, voted on, and shown on one page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from npc_lab.cli.screen import Screen
from npc_lab.errors import ExperimentError
from npc_lab.experiments.estimates import Estimate
from npc_lab.experiments.judging.audit import CALLS, audit
from npc_lab.experiments.judging.judge import LOGPROBS, Judge
from npc_lab.experiments.judging.questions import IN_CHARACTER
from npc_lab.experiments.judging.voter import CALLS_A_PAIR, pairs_left, vote
from npc_lab.experiments.voting.agreement import agreement
from npc_lab.experiments.voting.ballots import read_ballots
from npc_lab.experiments.voting.entrants import read_cards
from npc_lab.experiments.voting.pairs import Pairs, write_pairs
from npc_lab.experiments.voting.strengths import Standing, strengths
from npc_lab.experiments.voting.tiers import tiers
from npc_lab.experiments.voting.tournament import Tournament
from npc_lab.experiments.voting.tournament_page import tournament_page

PAIRS = "pairs.json"
STORE = "tournament.db"
VOTES = "votes"
JUDGES = "the judge.jsonl"
_SECONDS_TO_CONNECT = 10


def enter(screen: Screen, folder: Path) -> Tournament:
    """Return the tournament of the cards in a folder. Say what was left out."""
    entrants = read_cards(folder)
    for note in entrants.notes:
        screen.notice(note)
    screen.say(f"{len(entrants.cards)} cards: {', '.join(entrants.cards)}.")
    return Tournament(entrants.cards)


def show_plan(
    screen: Screen, tournament: Tournament, client: Any, model: str, out: Path, has_judge: bool
) -> None:
    """Say what is still to be played, and to be judged. No call is made."""
    screen.say(tournament.experiment.plan(client, model, out.with_name(STORE)).costs())
    if has_judge:
        most = CALLS_A_PAIR * tournament.pairs_asked
        screen.say(f"The judge: {CALLS} calls for its trial, and if it passes, up to {most} for the pairs.")


def hold(
    screen: Screen,
    tournament: Tournament,
    client: Any,
    model: str,
    out: Path,
    votes: Path | None,
    limit: float | None,
    executor: Executor | None = None,
    has_judge: bool = False,
) -> None:
    """Play what is missing, write the pairs for the vote, count the votes, and write the page.

    has_judge: the model votes, too, if it passes its trial.
    """
    results = tournament.experiment.run(client, model, out.with_name(STORE), limit=limit, executor=executor)
    missing = {scene: kinds[0] for scene, kinds in results.missing.items() if kinds}
    notes = []
    if missing:
        scene, kind = next(iter(missing.items()))
        notes.append(f"{len(missing)} talks are missing, for instance {scene} ({kind}).")
        screen.notice(f"{notes[0]} The same command again plays them.")
    talks, pairs = tournament.talks(results), tournament.pairs(results)
    standings: list[Standing] = []
    agreed: Estimate | None = None
    if has_judge and pairs.entries:
        votes = _judged(screen, Judge(client, model, IN_CHARACTER, by=LOGPROBS), pairs, votes, out, limit)
    if votes is None:
        if pairs.entries:
            write_pairs(out.with_name(PAIRS), pairs)
            screen.say(
                f'The pairs for the vote are in {out.with_name(PAIRS)}. In a notebook: vote_box("{PAIRS}", '
                '"your nickname"). Then gather the files of votes, and add: --votes FOLDER'
            )
    else:
        standings, agreed = _counted(screen, votes, tournament.ids, notes)
    screen.say(f"The page is in {tournament_page(standings, talks, out, agreement=agreed, notes=notes)}.")


def _judged(
    screen: Screen, judge: Judge, pairs: Pairs, votes: Path | None, out: Path, limit: float | None
) -> Path | None:
    """Let a judge vote that passes its trial. Return the folder of votes, None if there is none then."""
    folder = votes or out.with_name(VOTES)
    left = pairs_left(pairs.entries, folder / JUDGES)
    if not left:
        return folder
    calls = CALLS + CALLS_A_PAIR * len(left)
    if limit is not None and calls > limit:
        raise ExperimentError(
            f"The judge may make {calls} calls, and the limit is {limit:g}. It was not asked."
        )
    trial = audit(judge)
    screen.say(str(trial))
    if not trial.passed:
        screen.notice("A judge that does not pass its trial does not vote. Let people vote.")
        return votes
    screen.say(f"The judge voted on {vote(judge, left, folder / JUDGES)} pairs.")
    return folder


def _counted(
    screen: Screen, votes: Path, asked: Sequence[tuple[str, str]], notes: list[str]
) -> tuple[list[Standing], Estimate | None]:
    """Return the standings and the agreement, none if the ballots do not allow it; then a note says why."""
    ballots = read_ballots(votes, asked)
    screen.say(str(ballots).partition("\n")[0])
    for problem in ballots.problems:
        screen.notice(problem)
    if ballots.problems:
        notes.append(f"{len(ballots.problems)} lines or files of the votes do not count.")
    try:
        standings = strengths(ballots)
    except ExperimentError as error:
        screen.notice(str(error))
        notes.append(str(error))
        return [], None
    many = len(tiers(standings))
    screen.say(f"{many} tier{'' if many == 1 else 's'}.")
    return standings, agreement(ballots)


@contextmanager
def cluster_at(address: str | None) -> Iterator[Executor | None]:
    """Yield the executor of a Dask cluster, or None without an address. Raise `ExperimentError`."""
    if address is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ExperimentError(
            'For a cluster Dask is needed, which is not installed here: pip install "npc-lab[cluster]"'
        ) from error
    try:
        cluster = Client(address, timeout=_SECONDS_TO_CONNECT)
    except (OSError, ValueError) as error:
        raise ExperimentError(
            f"There is no Dask scheduler at {address!r:.80}. Start one with `dask scheduler`, and name the "
            "address that it prints, such as tcp://192.168.0.5:8786."
        ) from error
    with cluster:
        yield cluster.get_executor()


def limit_of(limit: int | None) -> float | None:
    """Return the limit of calls: 0 lifts it."""
    return math.inf if limit == 0 else limit
