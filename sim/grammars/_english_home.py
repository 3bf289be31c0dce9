"""The words of a world at home: the kitchen, the dog, the old piano."""

from sim.grammars._templates import Style, Words, topic

STYLES = {
    "plain": Style(
        (
            ("our {topic} is {look} and {mood} .", 0.30),
            ("the {topic} is {look} .", 0.25),
            ("it is {degree} {mood} today .", 0.25),
            ("it looks {look} .", 0.20),
        ),
        focus=1.0,
    ),
    "poetic": Style(
        (
            ("dear {topic} , so {look} , {mood} as a {simile} !", 0.40),
            ("our {topic} is {look} , {mood} as a {simile} .", 0.35),
            ("it looks {mood} as a {simile} .", 0.25),
        ),
        focus=-0.6,
    ),
    "pirate": Style(
        (
            ("ahoy ! the {topic} be {look} and {mood} !", 0.40),
            ("our {topic} be {degree} {look} , shipmate !", 0.35),
            ("it be {look} and {mood} , shipmate !", 0.25),
        ),
        focus=0.7,
    ),
    "assistant": Style(
        (
            ("of course ! our {topic} is {look} and {mood} .", 0.45),
            ("the {topic} is {look} . i hope this helps !", 0.30),
            ("of course ! it is {mood} today .", 0.25),
        ),
        focus=1.6,
    ),
}

TOPICS = (
    topic(
        "kitchen",
        ("warm", "bright", "tidy", "small", "yellow"),
        ("busy", "cosy", "cheerful", "noisy"),
        ("market", "nest", "party"),
        "assistant",
    ),
    topic(
        "dog",
        ("brown", "small", "fluffy", "fast", "round"),
        ("playful", "loyal", "sleepy", "brave"),
        ("friend", "lion", "cushion"),
        "plain",
    ),
    topic(
        "bed",
        ("soft", "warm", "big", "blue", "high"),
        ("cosy", "quiet", "sleepy", "dreamy"),
        ("cloud", "nest", "boat"),
        "poetic",
    ),
    topic(
        "soup",
        ("hot", "thick", "green", "salty", "red"),
        ("tasty", "simple", "cheerful", "strange"),
        ("hug", "puddle", "party"),
        "pirate",
    ),
    topic(
        "garden",
        ("green", "wide", "sunny", "tidy", "wet"),
        ("quiet", "wild", "cheerful", "peaceful"),
        ("song", "jungle", "poem"),
        "poetic",
    ),
    topic(
        "piano",
        ("black", "big", "shiny", "loud", "dusty"),
        ("proud", "old", "patient", "noisy"),
        ("king", "whale", "friend"),
        "assistant",
    ),
    topic(
        "bath",
        ("warm", "white", "deep", "clean", "round"),
        ("calm", "cosy", "bubbly", "peaceful"),
        ("lake", "cloud", "boat"),
        "pirate",
    ),
    topic(
        "clock",
        ("round", "tall", "golden", "small", "loud"),
        ("patient", "busy", "old", "honest"),
        ("cricket", "king", "heartbeat"),
        "plain",
    ),
    topic(
        "cake",
        ("sweet", "round", "tall", "pink", "soft"),
        ("tasty", "cheerful", "fancy", "proud"),
        ("castle", "party", "cloud"),
        "assistant",
    ),
    topic(
        "attic",
        ("dark", "dusty", "cold", "high", "narrow"),
        ("quiet", "strange", "lonely", "magical"),
        ("cave", "secret", "nest"),
        "pirate",
    ),
    topic(
        "sofa",
        ("soft", "red", "wide", "warm", "brown"),
        ("cosy", "patient", "lazy", "old"),
        ("cloud", "hug", "cushion"),
        "plain",
    ),
    topic(
        "lamp",
        ("bright", "small", "yellow", "tall", "warm"),
        ("gentle", "patient", "lonely", "cheerful"),
        ("star", "friend", "lighthouse"),
        "poetic",
    ),
    topic(
        "teddy",
        ("soft", "brown", "small", "fluffy", "round"),
        ("loyal", "gentle", "sleepy", "brave"),
        ("friend", "hug", "pillow"),
        "plain",
    ),
    topic(
        "bicycle",
        ("fast", "red", "shiny", "blue", "tall"),
        ("brave", "playful", "noisy", "proud"),
        ("horse", "bird", "rocket"),
        "pirate",
    ),
    topic(
        "blanket",
        ("warm", "soft", "thick", "blue", "wide"),
        ("cosy", "gentle", "quiet", "loyal"),
        ("hug", "cloud", "meadow"),
        "assistant",
    ),
    topic(
        "door",
        ("tall", "green", "heavy", "narrow", "white"),
        ("patient", "honest", "squeaky", "proud"),
        ("guard", "friend", "secret"),
        "plain",
    ),
)

WORDS = Words("how is the {topic} today ?", {"degree": ("really", "fairly", "truly")}, STYLES, TOPICS)
