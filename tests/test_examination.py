"""`npc-lab doctor --full`: a report on an endpoint, whatever it refuses, and never a key in it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from loopback import KEY, MODEL, MOODS, Body, Json, Loopback, Mood, Reply, Status, Text, envelope
from typer.testing import CliRunner, Result

import npc_lab.cli as cli

pytestmark = pytest.mark.packages

NOT_AGAIN = {"x-should-retry": "false"}


def with_letters() -> Reply:
    """A reply of one letter, with the log-probabilities of two."""
    tops = [{"token": letter, "logprob": odds, "bytes": None} for letter, odds in [("A", -0.1), ("B", -2.3)]]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "A"},
        "finish_reason": "length",
        "logprobs": {"content": [tops[0] | {"top_logprobs": tops}], "refusal": None},
    }
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
    return Json(envelope("chat.completion", choices=[choice], usage=usage))


def a_good_one(body: Body) -> str | Reply:
    """What a model answers that can do all of it."""
    system, said = body["messages"][0]["content"], body["messages"][-1]["content"]
    if body.get("logprobs"):
        return with_letters()
    if "json" in said.lower() or "json" in system.lower():
        return '{"quote": "", "reason": "So it seems.", "answer": true}'
    if body.get("max_tokens") == 5:
        return Text("I dreamt of a sword", finish_reason="length")
    if "stop" in body:
        return "1 2 3"
    if "seed" in body:
        return f"I dreamt of {body['seed']} swords."
    if "#SCRATCHPAD" in system:
        return "#SCRATCHPAD\nHe wants my gold.\n#ANSWER\nI have none."
    answers = {"sword called": "Gertrude.", "my name?": "You are Rosamund.", "漢字": said}
    return next((answer for asked, answer in answers.items() if asked in said), "I dreamt of a long road.")


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch, loopback: Any) -> Callable[..., tuple[Result, Loopback]]:
    """Runs the command on an endpoint that answers by this plan."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def run(plan: Any = a_good_one, **more: Any) -> tuple[Result, Loopback]:
        server = loopback(plan, **more)
        where = ["--provider", "openai", "--base-url", server.base_url, "--model", MODEL]
        result = CliRunner().invoke(cli.app, ["doctor", "--full", *where])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        secret = KEY.removeprefix("sk-loopback-")
        assert not any(secret[place : place + 6] in result.output for place in range(len(secret) - 5))
        return result, server

    return run


def report_in(result: Result) -> dict[str, str]:
    """The lines of the report by their titles."""
    text = " ".join(result.stdout[result.stdout.index("npc-lab 0") :].split())
    return dict(re.findall(r"- \*\*(.+?)\*\*: (.+?)(?= - |\Z)", text))


def test_the_report_on_an_endpoint_that_can_do_all_of_it(examine: Any) -> None:
    result, server = examine()
    assert result.exit_code == 0
    report = report_in(result)
    seconds = r"\d+\.\d s"
    assert re.fullmatch(rf"after {seconds}; it keeps to the sheet\.", report["A reply in one piece"])
    pieces = rf"first words after {seconds}, 6 pieces, all after {seconds}; tokens are counted\."
    assert re.fullmatch(pieces, report["A stream"])
    assert re.fullmatch(rf"a reply ends {seconds} after it is told to\.", report["Stop"])
    assert report["Memory"] == "it knows what was said before."
    assert report["Private thoughts"] == "it thinks before it speaks."
    assert report["Letters"] == "3 of 3 words in other letters come back."
    assert report["A limit"] == "asked for 5 tokens, a reply ends after 5 tokens with “length”."
    assert report["Seeds"] == "the same seed gives the same reply, another seed another one."
    assert report["Options"] == "a request with top_p, presence_penalty, frequency_penalty is answered."
    assert report["An end"] == "a reply ends at the text in `stop`."
    assert report["Log-probabilities"] == "of 2 candidates."
    assert report["A verdict"].startswith("can be read, and is ")
    assert re.fullmatch(rf"all answered, in {seconds}\.", report["6 calls at once"])
    assert len(server.requests) == 21
    assert "- In all: 21 calls" in result.stdout


def test_what_an_endpoint_refuses_is_said_once_and_at_the_end(examine: Any) -> None:
    """Options are refused one by one, and with each of them only the question changes that needs it."""
    names = ["seed", "top_p", "presence_penalty"]
    moods = [
        Mood(
            lambda body, name=name: name in body,
            Status(400, f"Unrecognized request argument supplied: {name}"),
        )
        for name in names
    ]
    refused = ["temperature, OpenAI", "max_tokens, OpenAI", "stream_options, vLLM"]
    result, server = examine(moods=[*(MOODS[name] for name in refused), *moods])
    assert result.exit_code == 0
    lines = result.stdout[result.stdout.index("- **6 calls") :]
    for name in ("temperature", "stream_options", "top_p", "presence_penalty"):
        assert lines.count(f"does not take {name}") == 1
        assert result.stdout.count(f"does not take {name}") == 1
    assert "max_completion_tokens" in lines
    assert "This endpoint takes no seeds" in lines
    assert "frequency_penalty;" not in lines
    assert report_in(result)["Seeds"].startswith("the same seed gives")
    assert len(server.accepted) == 21


def test_an_endpoint_that_does_not_stream(examine: Any) -> None:
    result, _ = examine(moods=[MOODS["stream, OpenAI"]])
    assert ", 1 pieces, all after" in report_in(result)["A stream"]
    assert "This endpoint does not stream" in result.stdout


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Status(401, f"Incorrect API key provided: {KEY}. You are org-secret.", "invalid_api_key"), "auth"),
        (Status(404, "The model does not exist: org-secret", "model_not_found"), "model_not_found"),
        (Status(429, "You exceeded your current quota, org-secret", "insufficient_quota"), "quota"),
    ],
)
def test_after_a_failure_that_all_would_share_nothing_more_is_asked(
    examine: Any, fault: Status, kind: str
) -> None:
    result, server = examine(fault)
    assert result.exit_code == 1
    assert f"failed ({kind})" in report_in(result)["A reply in one piece"]
    assert "- Nothing more was asked." in result.stdout
    assert len(server.requests) == 1
    assert "org-secret" not in result.stdout  # this is to be shown to others


def test_a_failure_of_one_call_is_a_line_and_the_others_are_asked(examine: Any) -> None:
    result, _ = examine(
        lambda body: Status(500, "Out of memory", headers=NOT_AGAIN) if "stop" in body else a_good_one(body)
    )
    assert result.exit_code == 1
    report = report_in(result)
    assert report["An end"] == "failed (server). The endpoint has a problem of its own."
    assert report["Log-probabilities"] == "of 2 candidates."


def test_calls_that_are_refused_because_they_come_at_once_are_counted(examine: Any) -> None:
    asked = []

    def slow_down(body: Body) -> str | Reply:
        asked.append(body)
        return Status(429, "Slow down.", headers=NOT_AGAIN) if len(asked) > 19 else a_good_one(body)

    result, _ = examine(slow_down)
    assert result.exit_code == 0
    assert re.fullmatch(
        r"4 of 6 answered, in \d+\.\d s; the others: rate_limit\.", report_in(result)["6 calls at once"]
    )


def test_of_an_address_only_the_host_is_shown(monkeypatch: pytest.MonkeyPatch, loopback: Any) -> None:
    server = loopback(a_good_one)
    address = server.base_url.replace("http://", "http://mia:secret-word@")
    result = CliRunner().invoke(cli.app, ["doctor", "--full", "--base-url", address, "--model", MODEL])
    assert result.exit_code == 0
    assert f"`{MODEL}` of 127.0.0.1, openai" in result.stdout
    assert "secret-word" not in result.output


def test_a_brake_on_calls_holds(examine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from npc_lab.endpoints import pace

    monkeypatch.setattr(pace, "CALLS", pace._Calls())
    monkeypatch.setattr("npc_lab.endpoints.connect.CALLS", pace.CALLS)
    monkeypatch.setenv("NPC_LAB_MAX_CALLS", "3")
    result, server = examine()
    assert result.exit_code == 1
    assert "Nothing more was asked." in result.stdout
    assert len(server.requests) == 3
