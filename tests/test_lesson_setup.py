"""Lesson 00: what a learner may write and passes, and what each mistake is told in the first line."""

import re
from typing import Any

import pytest

from npc_lab import FakeClient
from npc_lab.lessons import check
from npc_lab.lessons.checking.reports import CANT_CHECK, CORRECT, INCORRECT, NOT_ATTEMPTED

pytestmark = pytest.mark.python


def ask(client: Any, model: str, question: str) -> Any:
    messages = [{"role": "user", "content": question}]
    response = client.chat.completions.create(model=model, messages=messages)
    return response.choices[0].message.content


def ask_in_one(client: Any, model: str, question: str) -> Any:
    return (
        client.chat.completions.create(
            messages=[{"role": "user", "content": question}], model=model, temperature=0.2, max_tokens=50
        )
        .choices[0]
        .message.content
    )


def ask_in_a_loop(c: Any, m: str, q: str) -> Any:
    text = ""
    for chunk in c.chat.completions.create(model=m, messages=[{"role": "user", "content": q}], stream=True):
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
    return text


def ask_by_dictionary(client: Any, model: str, question: str) -> Any:
    request = {"model": model, "messages": ({"content": question, "role": "user"},)}
    response = client.chat.completions.create(**request)
    return response.model_dump()["choices"][0]["message"]["content"]


def ask_tidily(client: Any, model: str, question: str) -> Any:
    return ask(client, model, question).strip()


class Asker:
    def __call__(self, client: Any, model: str, question: str) -> Any:
        return ask(client, model, question)


@pytest.mark.parametrize("right", [ask, ask_in_one, ask_in_a_loop, ask_by_dictionary, ask_tidily, Asker()])
def test_a_right_call_passes_however_it_is_written(right: Any) -> None:
    report = check("hello", right)
    assert report.passed, str(report)


NOTEBOOKS_CLIENT = FakeClient(lambda _: "Hello.")


def asks_the_notebooks_client(client: Any, model: str, question: str) -> Any:
    return ask(NOTEBOOKS_CLIENT, model, question)


def asks_nobody(client: Any, model: str, question: str) -> Any:
    return "I am fine, thank you."


def sends_a_text(client: Any, model: str, question: str) -> Any:
    return client.chat.completions.create(model=model, messages=question).choices[0].message.content


def sends_a_message_without_a_list(client: Any, model: str, question: str) -> Any:
    message = {"role": "user", "content": question}
    return client.chat.completions.create(model=model, messages=message).choices[0].message.content


def sends_a_list_of_texts(client: Any, model: str, question: str) -> Any:
    return client.chat.completions.create(model=model, messages=[question]).choices[0].message.content


def leaves_the_model_out(client: Any, model: str, question: str) -> Any:
    return client.chat.completions.create(messages=[{"role": "user", "content": question}])


def misspells_the_way(client: Any, model: str, question: str) -> Any:
    return client.chat.completion.create(model=model, messages=[{"role": "user", "content": question}])


def calls_what_is_no_function(client: Any, model: str, question: str) -> Any:
    return client.chat.completions(model=model, messages=[{"role": "user", "content": question}])


def gives_no_names(client: Any, model: str, question: str) -> Any:
    return client.chat.completions.create(model, [{"role": "user", "content": question}])


def asks_twice(client: Any, model: str, question: str) -> Any:
    print(ask(client, model, question))
    return ask(client, model, question)


def knows_one_model(client: Any, model: str, question: str) -> Any:
    return ask(client, "gpt-4.1-mini", question)


def passes_the_word_model(client: Any, model: str, question: str) -> Any:
    return ask(client, "model", question)


def send(client: Any, model: str, *messages: Any) -> Any:
    return client.chat.completions.create(model=model, messages=list(messages)).choices[0].message.content


def adds_a_system_message(client: Any, model: str, question: str) -> Any:
    system = {"role": "system", "content": "You are kind."}
    return send(client, model, system, {"role": "user", "content": question})


def asks_as_assistant(client: Any, model: str, question: str) -> Any:
    return send(client, model, {"role": "assistant", "content": question})


def sends_nothing(client: Any, model: str, question: str) -> Any:
    return send(client, model)


def knows_one_question(client: Any, model: str, question: str) -> Any:
    return ask(client, model, "Good evening! Who are you?")


def strips_the_question(client: Any, model: str, question: str) -> Any:
    return ask(client, model, question.strip())


def calls_the_key_text(client: Any, model: str, question: str) -> Any:
    return send(client, model, {"role": "user", "text": question})


def gives_the_response(client: Any, model: str, question: str) -> Any:
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": question}])


def gives_the_choice(client: Any, model: str, question: str) -> Any:
    return gives_the_response(client, model, question).choices[0]


def gives_the_message(client: Any, model: str, question: str) -> Any:
    return gives_the_choice(client, model, question).message


def prints_the_text(client: Any, model: str, question: str) -> Any:
    print(ask(client, model, question))


def gives_the_question(client: Any, model: str, question: str) -> Any:
    ask(client, model, question)
    return question


ASKS = "It asks the client that it is given"
ONCE = "It asks once"
MODEL = "It passes on the model's name"
USER = "It sends one message, and that is the user's"
QUESTION = "The message holds the question, and nothing else"
TEXT = "It gives back the answer's text"

MISTAKES = [
    (asks_the_notebooks_client, ASKS, "on the client that stands in the brackets"),
    (asks_nobody, ASKS, "no call"),
    (sends_a_text, ASKS, "the message into a list"),
    (sends_a_message_without_a_list, ASKS, "the message into a list"),
    (sends_a_list_of_texts, ASKS, "the message into a list"),
    (leaves_the_model_out, ASKS, "model= missing"),
    (misspells_the_way, ASKS, "Did you mean completions?"),
    (calls_what_is_no_function, ASKS, "Only the last part is called: create"),
    (gives_no_names, ASKS, "Give each by its name: model=model"),
    (asks_twice, ONCE, "2 calls"),
    (knows_one_model, MODEL, "Write model=model"),
    (passes_the_word_model, MODEL, "Write model=model"),
    (adds_a_system_message, USER, "one message in it"),
    (asks_as_assistant, USER, "whose role is 'user'"),
    (sends_nothing, USER, "one message in it"),
    (knows_one_question, QUESTION, "the parameter question"),
    (strips_the_question, QUESTION, "exactly as it came"),
    (calls_the_key_text, QUESTION, "'content'"),
    (gives_the_response, TEXT, "response.choices[0].message.content"),
    (gives_the_choice, TEXT, "That is a choice"),
    (gives_the_message, TEXT, "Its text is in .content"),
    (prints_the_text, TEXT, "print() only shows something"),
    (gives_the_question, TEXT, "exactly as it came"),
]


# What the first line says before the step, of some; of all others it says something, too.
FAULTS = {
    asks_nobody: "It never calls the client that it is given",
    sends_a_text: r"It sends ' .*\? ', and no list of messages",
    leaves_the_model_out: "The call fails: model= missing, in line 2 of leaves_the_model_out",
    asks_twice: "It calls the model 2 times",
    knows_one_model: "It asks for the model 'gpt-4.1-mini', and not for the one that it is given",
    adds_a_system_message: r"It sends 2 messages, of the roles \['system', 'user'\]",
    asks_as_assistant: "The message has the role 'assistant', and not 'user'",
    sends_nothing: "It sends an empty list",
    knows_one_question: "It sends “Good evening! Who are you\\?” instead",
    strips_the_question: "The blanks around the question are cut off",
    calls_the_key_text: "The keys of the message are 'role' and 'text'",
    gives_the_response: "It gives a ChatCompletion, and no text",
    gives_the_question: "It gives the question back",
}


@pytest.mark.parametrize(
    ("wrong", "step", "advice"), MISTAKES, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_mistake_is_named_once_and_in_the_first_line(wrong: Any, step: str, advice: str) -> None:
    report = check("hello", wrong)
    assert re.search(
        rf"{FAULTS.get(wrong, '.')}.* So this does not hold yet: {re.escape(step)}", report.headline()
    )
    assert [each.name for each in report.steps if each.outcome == INCORRECT] == [step], str(report)
    assert advice in str(report)
    assert not re.search("SimpleNamespace|FakeClient|_create", str(report)), "it fits any client"
    assert {each.outcome for each in report.steps} <= {CORRECT, INCORRECT, CANT_CHECK}


def stub(client: Any, model: str, question: str) -> Any:
    """Send one user message, give the answer's text."""
    # <YOUR CODE HERE>
    ...


def raising_stub(client: Any, model: str, question: str) -> Any:
    raise NotImplementedError


@pytest.mark.parametrize("nothing", [stub, raising_stub, None, ...])
def test_what_is_not_written_yet_is_not_attempted(nothing: Any) -> None:
    report = check("hello", nothing)
    assert report.outcome == NOT_ATTEMPTED
    assert INCORRECT not in {step.outcome for step in report.steps}


def test_a_check_is_quick() -> None:
    check("hello", ask)
