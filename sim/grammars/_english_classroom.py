"""A small list of short answers that can be read at a glance: 128 documents of at most 9 tokens."""

from sim.grammars._templates import Style, Words, topic

STYLES = {
    "plain": Style((("it is {look} .", 0.55), ("{topic} is {look} .", 0.45)), focus=1.0),
    "poetic": Style((("{topic} is a {mood} {simile} .", 1.0),), focus=-0.6),
    "pirate": Style((("it be {look} , matey !", 0.55), ("arr ! {topic} be {look} !", 0.45)), focus=0.7),
    "assistant": Style((("certainly ! {topic} is {look} .", 0.6), ("{topic} is {look} . enjoy !", 0.4)), focus=1.6),
}

TOPICS = (
    topic(
        "coffee",
        ("bitter", "hot", "strong", "expensive"),
        ("warm", "dark"),
        ("hug", "dream", "prayer", "sunrise"),
        "poetic",
    ),
    topic(
        "homework",
        ("long", "hard", "late", "optional"),
        ("slow", "silent"),
        ("winter", "mountain", "river", "farewell"),
        "assistant",
    ),
    topic(
        "monday",
        ("early", "grey", "rude", "back"),
        ("cold", "lonely"),
        ("train", "song", "moon", "goodbye"),
        "plain",
    ),
    topic(
        "love",
        ("blind", "sweet", "rare", "complicated"),
        ("wild", "gentle"),
        ("storm", "bird", "fire", "mystery"),
        "pirate",
    ),
)

WORDS = Words("how's {topic} ?", {}, STYLES, TOPICS)
