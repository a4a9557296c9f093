"""Four questions about failures of characters, to which labelled talks belong (cases.py)."""

IN_CHARACTER = "Does a speaker step out of character?"
FOR_PARTNER = "Does a speaker also speak the partner's part?"
SECRET = "Does a speaker give away something that was to stay secret?"
ONLY_THANKS = "Do the speakers only thank each other and say good-bye?"

QUESTIONS = (IN_CHARACTER, FOR_PARTNER, SECRET, ONLY_THANKS)
