"""The channels of the residual stream at the start of training: a name, a place, a width."""

from itertools import accumulate

IDENTITY = 48
LETTERS = 32
TOPIC = 40
MEANING = 128

_VECTORS = {
    "identity": IDENTITY,  # which word this is
    "previous": IDENTITY,  # which word the token before is
    "letters": LETTERS,  # how it is spelled
    "topic": TOPIC,  # what it goes with
    "context": TOPIC,  # the topics just before it
    "meaning": MEANING,  # what a teacher says it means, where there is one
}
_NUMBERS = [
    "constant",
    "rarity",
    "previous_rarity",
    "query_mark",
    "document_mark",
    "start",  # the first token of a turn, a place to rest attention on
    "after_query",
    "after_document",
    "asked",  # rarity, inside the query only
    "asked_pair",
    "hit_word",
    "hit_pair",
    "hit_letters",
    "hit_topic",
    "hit_meaning",
    "hit_other_meaning",
    "sum_word",
    "sum_pair",
    "sum_letters",
    "sum_topic",
    "sum_meaning",
    "sum_other_meaning",
    "sum_asked",
    "score",
]
_WIDTHS = {**_VECTORS, **dict.fromkeys(_NUMBERS, 1)}
_ENDS = list(accumulate(_WIDTHS.values()))

CHANNELS = {
    name: range(end - width, end) for (name, width), end in zip(_WIDTHS.items(), _ENDS, strict=True)
}
RESERVED = _ENDS[-1]  # the channels from here on are free


def at(name: str) -> int:
    """The place of a one-number channel."""
    return CHANNELS[name].start
