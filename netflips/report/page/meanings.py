"""What the labels, marks and figures of the page mean, for people who did not make the models."""

from netflips.recording.faces import MIN_SHARPNESS
from netflips.recording.who import SPEAKS
from netflips.report.page.markup import Child, Markup, tag

ON_CARDS = {
    "original": "How long the utterance takes in the original.",
    "dub": "How long the new speech takes, and how long it would take by itself, without being fitted into the original's place.",
    "pace": "Length of the new speech as a share of its length by itself: under 100 % it is spoken faster, over 100 % slower. The "
    "middle of the bar is 100 %; the paler part is what --pace allows.",
    "silent in its place": "The new speech is shorter than the original: for so long there is silence where the original spoke.",
    "in the pause after": "The new speech is longer than the original: for so long it goes on in the pause behind it.",
    "fitted nowhere": "So much of the new speech fits neither the original's place nor the pause behind it, even at the fastest "
    "pace that --pace allows.",
    "picture held": "For so long the picture stands still, so that the new speech has time to end.",
    "cut off": "So much of the new speech is left out, because there was no time for it.",
    "begins in the output": "When the new speech begins in the dub, where that differs from the original.",
    "units": "The models write speech down as units, sounds of 20 ms or longer with a number each, and translate those; there is "
    "no text. First how many the original has, then how many its translation has.",
    "units from": "What the units of the original were taken from: its sound, the lips of the speaker, or both.",
    "sure of the original": "How likely the encoder held each unit that it took down, on average (geometric mean). Speech of the "
    "kind that the models were made for is hardly ever under the usual figure; what is far under it was most likely heard wrong.",
    "sure of the translation": "How likely the translator held each unit that it wrote, on average (geometric mean). Under the "
    "usual figure it most likely met words or sentences that it does not know.",
    "voice pitch": "Middle pitch of the speaker's voice in the original; the dub speaks at the same.",
    "new lips": "In how many pictures of the utterance the mouth was drawn anew.",
    "left as they were": "In how many pictures the original mouth stays, and why.",
    "face": "In how much of the utterance the speaker's face was found, and how tall it is in the picture.",
    "mouth and sound": "How clearly the mouth of this face moves with the sound. A person who talks has about 1.6, one who listens "
    f"about 0; from {SPEAKS:g} on the face is taken to be the one that speaks.",
    "in focus": f"How much detail there is about the mouth. Under {MIN_SHARPNESS:g} a picture is taken for blurred, and its mouth "
    "is left as it was.",
    "turned": "The furthest that the face is turned away from the camera, roughly.",
}
"""By the label of a figure on a card."""

OF_MARKS = {
    "fits": "The new speech has about the length of the original.",
    "as long as it takes": "The dub of a short clip is as long as the new speech; it is fitted into nothing.",
    "stay silent": "The new speech is clearly shorter than the original.",
    "goes into the pause": "The new speech ends in the pause behind the original.",
    "picture held": "The picture stands still for a moment, so that the new speech has time to end.",
    "hurried": "The new speech is spoken faster than --pace allows; --hold-picture gives it time.",
    "cut": "The end of the new speech is missing; --hold-picture makes room for it.",
    "left alone": "This utterance was not dubbed: picture and sound are the original's.",
    "sound only": "The speech is new, the picture is the original's.",
    "translation stopped": "The translation reached its limit of units and may lack its end; --max-target-units 0 lifts the limit.",
    "hardly what the models were made for": "The models are less sure than they nearly always are on speech of the kind that they "
    "were made for; what the dub says most likely means something else.",
    "units from": "The units were not taken from sound and lips together; the card says why.",
}
"""By what a mark on a card says, or begins with."""

OF_THE_REST = {
    "utterances dubbed": "What is said without a long pause, by one person, is an utterance; some may be left as they were.",
    "pictures with new lips": "Pictures of the dub in which a mouth was drawn anew, of all its pictures.",
    "as long as it would be by itself": "The pace of the fastest and of the slowest utterance.",
    "work for each second of video": "Seconds of computing by seconds of video: under 1 s the dub is made faster than it plays.",
    "model": "The name beside it is made from the content of the model's file: the same name is the same model.",
    "voice": "Whose voice the dub has, and its middle pitch where that is known.",
    "background": "What was done with all other sound: keep = it stays, mute = it goes.",
    "part": "Which part of the original was dubbed.",
    "scene cuts": "Where the original changes from one shot to another; lips are never carried over a cut.",
    "kept and made": "Work that an earlier run had finished and that was used again, and work that was done now.",
}
"""By what the rest of the page shows."""


def legend() -> Markup:
    """All meanings, to open on request."""
    parts = (
        ("The card of an utterance", ON_CARDS),
        ("Marks at the head of a card", OF_MARKS),
        ("The rest of the page", OF_THE_REST),
    )
    lists: list[Child] = [
        [tag("h3", title), tag("dl", [[tag("dt", name), tag("dd", text)] for name, text in meanings.items()], class_="meanings")]
        for title, meanings in parts
    ]
    return tag("details", tag("summary", "What the words and figures on this page mean"), lists, class_="legend-of-page")
