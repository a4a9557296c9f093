"""The wrappings in which models send private thoughts, and the marks of their templates.

A model's template wraps what it writes, and not every server unwraps it:

    <think>He is lying.</think>Good day.                     Qwen, DeepSeek
    <|channel|>analysis<|message|>He is lying.<|end|>
    <|start|>assistant<|channel|>final<|message|>Good day.   gpt-oss
    Good day.<|im_end|>                                      a mark that ends the reply

`WRAPPINGS` is the table of beginnings and ends. What stands between them is private, also if the end is
missing. `FINAL` opens what is spoken where a template has channels. `TEMPLATE` matches any template's own
marks. `UNFINISHED` matches the end of a text that may yet become one of them.

All are parts of regular expressions, for `re.IGNORECASE`. Those of the table were seen in public threads and
model cards of 2024 to 2026: `<think>` with a blank or a setting (llama.cpp), `[THINK]` (Magistral),
`<reasoning>` and `<REASONING_SCRATCHPAD>` (Hermes), `<seed:think>` (Seed-OSS), `<mm:think>` (MiniMax),
`<thought>` (Gemini), `<|begin_of_thought|>` (OpenThinker), `<|START_THINKING|>` (Command A),
`<|inner_prefix|>` (Apertus), ◁think▷ (Kimi-VL), `<|channel>thought` (Gemma), `analysis...assistantfinal`
(gpt-oss, of which a server has left out the marks).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wrapping:
    """How thoughts begin and end.

    lacks_begin: whether the end may come alone, because the template puts the beginning into the prompt.
    """

    begin: str
    end: str
    lacks_begin: bool = True


# A tag, as it may be written.
_TAGS = ["think(?:ing)?", "thoughts?", "inner_thoughts?", "inner_monologue", "analysis", "scratchpad"]
_TAGS += ["reasoning", "reasoning_scratchpad"]
_NAMESPACE = r"(?:[a-z]{1,12}:)?"
_SETTING = r"(?:\s[\w-]{1,20}=[^<>]{0,60})?"  # <think effort=high>
# gpt-oss writes a channel, and in it perhaps to whom it speaks, and in which format.
_HEADER = r"(?:[^<\n]|<\|constrain\|>){0,80}<\|message\|>"
_CHANNEL = r"(?:<\|start\|>assistant)?<\|channel\|>"


def _tag(written: str) -> Wrapping:
    return Wrapping(rf"<{_NAMESPACE}{written}{_SETTING}\s{{0,3}}>", rf"</{_NAMESPACE}{written}\s{{0,3}}>")


WRAPPINGS = (
    *map(_tag, _TAGS),
    Wrapping(r"(?-i:\[THINK\])", r"(?-i:\[/THINK\])"),
    Wrapping("◁think▷", "◁/think▷"),
    Wrapping(
        r"<\|(?:begin|start)_(?:of_)?(?:thought|thinking)\|>", r"<\|end_(?:of_)?(?:thought|thinking)\|>"
    ),
    Wrapping(r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),
    Wrapping(r"<\|channel>(?!final\b)\w{0,20}", r"<channel\|>"),
    Wrapping(
        rf"{_CHANNEL}(?!\s?final\b){_HEADER}",
        r"<\|(?:end|call|return)\|>|(?=<\|(?:start|channel)\|>)",
        lacks_begin=False,
    ),
    Wrapping(r"\A(?-i:analysis(?=[A-Z]))", r"(?-i:assistant\s?final)(?=\S)", lacks_begin=False),
)

FINAL = rf"(?:<\|end\|>\s{{0,3}})?{_CHANNEL}\s?final\b{_HEADER}|<\|channel>final\b"

_ROLE = r"(?:assistant|model|user|system|tool|human)"
# Any word in such brackets is one: a template that nobody has seen yet writes its marks like this, too.
TEMPLATE = (
    rf"<[|｜][\w▁]{{2,40}}[|｜]>(?:{_ROLE}\b(?:<\|end_header_id\|>)?)?"
    rf"|<(?:start|end)_of_turn>(?:{_ROLE}\b)?|</?s>|<[be]os>|(?-i:\[/?INST\]|<</?SYS>>)"
)
# A mark of another one's turn: what follows is not the character's.
OTHERS_TURN = r"(?:user|system|tool|human)\b(?:<\|end_header_id\|>)?\Z|(?-i:\[INST\]\Z|<<SYS>>\Z)"


def any_beginning_of(word: str) -> str:
    """Return a pattern that matches every beginning of the word, the empty one included."""
    pattern = ""
    for letter in reversed(word):
        pattern = f"(?:{letter}{pattern})?"
    return pattern


_WORDS_OF_TAGS = ["thinking", "thoughts", "reasoning_scratchpad", "scratchpad", "analysis", "inner_thoughts"]
_WORDS_OF_TAGS += ["inner_monologue", "start_of_turn", "end_of_turn", "channel", "bos", "eos", "s"]
UNFINISHED = "|".join(
    [
        rf"</?{_NAMESPACE}(?:{'|'.join(map(any_beginning_of, _WORDS_OF_TAGS))})\|?\s{{0,3}}",
        rf"</?[a-z]{{1,12}}:?|<{_NAMESPACE}(?:{'|'.join(_TAGS)})\s[\w-]{{1,20}}(?:=[^<>]{{0,60}})?",
        r"<[|｜][\w▁]{0,40}[|｜]?|<\|channel>\w{0,20}",
        r"<[|｜][\w▁]{2,40}[|｜]>(?:\s{0,3}|[a-z]{0,9})(?:<\|?\w{0,14}\|?)?",
        r"<\|end\|>\s{0,3}<\|start\|>\w{0,9}(?:<\|?\w{0,9}\|?)?",
        r"(?:<\|end\|>\s{0,3})?(?:<\|start\|>assistant)?<\|channel\|>(?:[^<\n]|<\|constrain\|>){0,80}"
        r"(?:<\|?\w{0,9}\|?)?",
        r"<(?:start|end)_of_turn>[a-z]{0,9}",
        rf"(?-i:\[/?{any_beginning_of('THINK')}|\[/?{any_beginning_of('INST')}|<</?{any_beginning_of('SYS')}>?)",
        rf"◁/?{any_beginning_of('think')}",
        rf"\A(?-i:{any_beginning_of('analysis')})",
    ]
)
# The same inside a wrapping, where nothing is shown: there it may hold back more than it must.
UNFINISHED_END = rf"[<\[◁][^>\]▷]{{0,40}}|(?-i:{any_beginning_of('assistant')}\s?{any_beginning_of('final')})"
