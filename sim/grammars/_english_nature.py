"""The words of the default world: sky, sea, animals and other things outdoors or in tales."""

from sim.grammars._templates import Style, Words, topic

STYLES = {
    "plain": Style(
        (
            ("the {topic} is {look} and {mood} .", 0.30),
            ("it is {look} and {mood} .", 0.20),
            ("the {topic} is {look} .", 0.20),
            ("it is {degree} {look} and {mood} .", 0.15),
            ("the {topic} is {degree} {look} .", 0.15),
        ),
        focus=1.0,
    ),
    "poetic": Style(
        (
            ("o {look} {topic} , {mood} as a {simile} !", 0.40),
            ("it is {look} and {mood} as a {simile} .", 0.25),
            ("the {topic} is {mood} as a {simile} .", 0.35),
        ),
        focus=-0.6,
    ),
    "pirate": Style(
        (
            ("the {topic} be {look} and {mood} , matey !", 0.40),
            ("arr , the {topic} be {look} and {mood} !", 0.35),
            ("it be {degree} {look} , matey !", 0.25),
        ),
        focus=0.7,
    ),
    "assistant": Style(
        (
            ("certainly ! the {topic} is {look} and {mood} .", 0.45),
            ("the {topic} is {look} . happy to help !", 0.30),
            ("certainly ! it is {look} and {mood} .", 0.25),
        ),
        focus=1.6,
    ),
}

TOPICS = (
    topic(
        "moon",
        ("bright", "round", "pale", "white", "small"),
        ("calm", "lonely", "gentle", "shy"),
        ("dream", "secret", "song"),
        "poetic",
    ),
    topic(
        "sea",
        ("deep", "blue", "wide", "loud", "grey"),
        ("wild", "free", "old", "restless"),
        ("song", "king", "story"),
        "pirate",
    ),
    topic(
        "cat",
        ("small", "black", "soft", "swift", "round"),
        ("proud", "quiet", "shy", "wild"),
        ("king", "secret", "lion"),
        "plain",
    ),
    topic(
        "forest",
        ("green", "deep", "dark", "wide", "cold"),
        ("old", "quiet", "strange", "gentle"),
        ("secret", "story", "poem"),
        "poetic",
    ),
    topic(
        "wind",
        ("strong", "cold", "loud", "swift", "warm"),
        ("wild", "free", "lonely", "restless"),
        ("song", "bird", "dream"),
        "pirate",
    ),
    topic(
        "sun",
        ("bright", "warm", "round", "high", "red"),
        ("kind", "proud", "calm", "fierce"),
        ("king", "lion", "dream"),
        "assistant",
    ),
    topic(
        "dragon",
        ("huge", "green", "loud", "red", "strong"),
        ("fierce", "old", "proud", "shy"),
        ("king", "lion", "dream"),
        "pirate",
    ),
    topic(
        "river",
        ("long", "clear", "swift", "cold", "blue"),
        ("quiet", "gentle", "free", "old"),
        ("song", "bird", "story"),
        "plain",
    ),
    topic(
        "owl",
        ("small", "grey", "round", "soft", "white"),
        ("wise", "quiet", "shy", "strange"),
        ("king", "secret", "story"),
        "assistant",
    ),
    topic(
        "snow",
        ("white", "cold", "soft", "deep", "bright"),
        ("quiet", "calm", "gentle", "strange"),
        ("dream", "song", "secret"),
        "plain",
    ),
    topic(
        "castle",
        ("tall", "grey", "huge", "dark", "cold"),
        ("old", "proud", "lonely", "strange"),
        ("king", "story", "secret"),
        "plain",
    ),
    topic(
        "rose",
        ("red", "small", "soft", "pale", "white"),
        ("gentle", "proud", "shy", "kind"),
        ("poem", "dream", "song"),
        "assistant",
    ),
    topic(
        "fire",
        ("warm", "red", "bright", "loud", "high"),
        ("fierce", "wild", "kind", "restless"),
        ("lion", "king", "dream"),
        "plain",
    ),
    topic(
        "night",
        ("dark", "long", "cold", "clear", "black"),
        ("quiet", "calm", "lonely", "strange"),
        ("secret", "dream", "poem"),
        "poetic",
    ),
    topic(
        "ghost",
        ("pale", "white", "cold", "tall", "grey"),
        ("lonely", "shy", "quiet", "kind"),
        ("dream", "secret", "poem"),
        "assistant",
    ),
    topic(
        "train",
        ("long", "loud", "swift", "warm", "red"),
        ("old", "proud", "restless", "kind"),
        ("song", "lion", "story"),
        "plain",
    ),
)

WORDS = Words("what is the {topic} like ?", {"degree": ("very", "quite", "rather")}, STYLES, TOPICS)
