"""Lesson 00: one call of a model, by hand."""

from __future__ import annotations

import inspect
import re
from typing import Any

from npc_lab.endpoints.fake import FakeClient
from npc_lab.lessons.checking.exercise import Exercise, Trial, Wrong
from npc_lab.lessons.checking.learners_code import apart, quote, show, where, why_none
from npc_lab.lessons.checking.plain import plain
from npc_lab.lessons.exercises.made_up import how_changed, phrase, written, written_apart


class AskTrial(Trial):
    """A learner's `ask`, called with a fake client, a model's name and a question."""

    def __init__(self, learners_object: Any):
        super().__init__(learners_object)
        self.reply, self.model, self.question = f"{phrase().capitalize()}.", phrase(1), f" {phrase()}? "
        self.client = FakeClient(lambda _: self.reply)

    def ask(self) -> Any:
        """Call the learner's function and return its value. Raise `Wrong` if the messages are not a list."""
        self.called = f"ask(client, {self.model!r}, {self.question!r})"
        try:
            value = self.learners_object(self.client, self.model, self.question)
        except Exception as error:
            self._refuse_what_is_no_list()
            self._refuse_what_is_no_call(error)
            raise
        self.refuse_what_runs_nothing(value)
        if inspect.isgenerator(value):
            got, advice = "nothing was run yet", "Write `return` in place of `yield`."
            raise Wrong(self.called, "an answer", got, advice, fault="It yields, so a call runs nothing.")
        return value

    def sent(self) -> dict[str, Any]:
        """Return the arguments of the first call of the model: `model`, `messages` and so on."""
        try:
            self.ask()
        except Exception:
            if not self.client.calls:  # else the model was asked, and the error is about its response
                raise
        if not self.client.calls:
            advice = "Call client.chat.completions.create(...), on the client that stands in the brackets."
            expected, fault = (
                "one call of the model, through this client",
                "It never calls the client that it is given.",
            )
            raise Wrong(self.called, expected, "no call", advice, fault=fault)
        self._refuse_what_is_no_list()
        return self.client.calls[0]

    def refuse_stream(self) -> None:
        """Raise `Wrong` if the model was asked for a stream."""
        if self.client.calls and self.client.calls[0].get("stream"):
            fault = "It asks with stream=True, so pieces come back, and no whole response."
            advice = "Take stream=True out of the call."
            raise Wrong(self.called, "create(...) without stream", "stream=True", advice, fault=fault)

    def _refuse_what_is_no_list(self) -> None:
        for call in self.client.calls:
            sent = call["messages"]
            if not isinstance(sent, list | tuple) or not all(isinstance(each, dict) for each in sent):
                advice = 'Put the question into a message, and the message into a list: [{"role": ...}].'
                expected, fault = (
                    "messages is a list of messages",
                    f"It sends {show(sent, 60)}, and no list of messages.",
                )
                raise Wrong(self.called, expected, f"messages={written(sent)}", advice, fault=fault)

    def _refuse_what_is_no_call(self, error: Exception) -> None:
        """Raise `Wrong` for a mistyped call of the client, without words that are true of our fake only."""
        expected, chat = "client.chat.completions.create(model=..., messages=...)", self.client.chat
        way = ((self.client, "chat"), (chat, "completions"), (chat.completions, "create"))
        got, advice = "", ""
        if isinstance(error, AttributeError):
            name = next((name for thing, name in way if error.obj is thing), "")
            got, advice = f"there is no {error.name!r}", f"Did you mean {name}?" if name else ""
        elif "SimpleNamespace" in str(error):
            got, advice = (
                "something was called that is no function",
                "Only the last part is called: create(...).",
            )
        elif "_create() missing" in str(error):
            missing = [f"{name}=" for name in re.findall(r"'(\w+)'", str(error))]
            got, advice = (
                f"{' and '.join(missing)} missing",
                f"Write {missing[0]}... into the call's brackets.",
            )
        elif "_create() takes" in str(error):
            got, advice = "values without a name", "Give each by its name: model=model, messages=messages."
        if advice:
            got = f"{got}, {where(error)}"
            raise Wrong(self.called, expected, got, advice, fault=f"The call fails: {got}.")


hello = Exercise("hello", lesson="00", declares="ask", kind="your function", trial=AskTrial)


@hello.step("It asks the client that it is given")
def asks(trial: AskTrial) -> str:
    """Finds errors, messages that are no list, and the notebook's own client."""
    trial.sent()
    return "The model was asked."


@hello.step("It asks once", needs=["asks"])
def asks_once(trial: AskTrial) -> str:
    """Finds a call for each thing that is wanted of the response."""
    trial.sent()
    if (calls := len(trial.client.calls)) > 1:
        advice = "Each call costs time and money. Keep the response in a variable, and use that."
        fault = f"It calls the model {calls} times."
        raise Wrong(trial.called, "one call of the model", f"{calls} calls", advice, fault=fault)
    return "One question, one call."


@hello.step("It passes on the model's name", needs=["asks_once"])
def passes_model(trial: AskTrial) -> str:
    """Finds a model's name that was written into the function."""
    if (got := plain(trial.sent()["model"])) != trial.model:
        advice = "Write model=model: on the left the name of the option, on the right your parameter."
        fault = f"It asks for the model {show(got, 60)}, and not for the one that it is given."
        raise Wrong(trial.called, f"model={trial.model!r}", f"model={show(got)}", advice, fault=fault)
    return "Whoever calls it chooses the model."


@hello.step("It sends one message, and that is the user's", needs=["asks_once"])
def one_user_message(trial: AskTrial) -> str:
    """Finds other roles, and further messages."""
    roles = [plain(message.get("role")) for message in trial.sent()["messages"]]
    if roles != ["user"]:
        advice = "Send a list with one message in it, whose role is 'user'."
        fault = f"It sends {len(roles)} messages, of the roles {show(roles, 60)}."
        if not roles:
            fault = "It sends an empty list."
        if len(roles) == 1:
            fault = f"The message has the role {show(roles[0], 40)}, and not 'user'."
        raise Wrong(trial.called, "the roles ['user']", f"the roles {show(roles)}", advice, fault=fault)
    return "Nothing is said in anybody else's name."


@hello.step("The message holds the question, and nothing else", needs=["one_user_message"])
def question_as_it_is(trial: AskTrial) -> str:
    """Finds fixed and changed questions."""
    message = plain(trial.sent()["messages"][0])
    if message != {"role": "user", "content": trial.question}:
        advice = "The content is the parameter question, exactly as it came."
        expected = {"role": "user", "content": trial.question}
        fault = _changed_question(trial, message)
        raise Wrong(trial.called, *written_apart(expected, message), advice, fault=fault)
    return "The question is sent as it was asked."


def _changed_question(trial: AskTrial, message: dict[str, Any]) -> str:
    if set(message) != {"role", "content"}:
        return f"The keys of the message are {' and '.join(show(key, 40) for key in message)}."
    changed = how_changed(trial.question, message["content"], "the question")
    return changed or f"It sends {quote(message['content'], 60)} instead."


@hello.step("It gives back the answer's text", needs=["asks"])
def gives_text(trial: AskTrial) -> str:
    """Finds responses, choices and messages instead of text, and print for return."""
    try:
        got = trial.ask()
    except Exception:
        trial.refuse_stream()
        raise
    if plain(got) != trial.reply:
        trial.refuse_stream()
        expected, shown = apart(trial.reply, got)
        fault = _fault(trial, got)
        raise Wrong(trial.called, f"the answer's text, {expected}", shown, _advice(trial, got), fault=fault)
    return "It gives a text, which you can print, keep or send on."


def _fault(trial: AskTrial, got: Any) -> str:
    if got is None:
        return "It gives None."
    text, kind = plain(got), type(got).__name__
    if not isinstance(text, str):
        return f"It gives {'an' if kind[0] in 'AEIOUaeiou' else 'a'} {kind}, and no text."
    if text == trial.question:
        return "It gives the question back."
    changed = how_changed(trial.reply, text, "the answer")
    return changed or f"It gives {quote(text, 60)}, which the model did not answer."


def _advice(trial: AskTrial, got: Any) -> str:
    if got is None:
        return why_none(trial.learners_object)
    if hasattr(got, "choices"):
        return "That is the whole response. The text is in response.choices[0].message.content."
    if hasattr(got, "message"):
        return "That is a choice. Its text is in .message.content."
    if hasattr(got, "content"):
        return "That is the message. Its text is in .content."
    return "Give response.choices[0].message.content, exactly as it came."


exercises: tuple[Exercise, ...] = (hello,)
