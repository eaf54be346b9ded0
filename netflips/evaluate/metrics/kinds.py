"""What each figure is: how a table calls it, its unit, which is better, where it comes from, and what it must not be taken for."""

from collections.abc import Mapping

from netflips.evaluate.metrics.figures import Kind

_ASR = "a recognizer's errors count as the dub's: read it beside its figure on true speech"
_SACREBLEU = "sacrebleu, after unit2text.normalise; a set has the figure of all its texts together"
_OTHER_WORDS = "no judgement of meaning: a good translation in other words scores low"
_LISTENED = "no mean opinion score: read it beside that of recordings"
_IN_STEP = "for the same words in the same time only, not for dubs"
_ALIKE = "compares only with figures made in the same way on the same clips"
_TRUE_FACES = "no judgement of beauty: another mouth than the true one costs it however real it looks"
_ANEW = "not by the bit: a video that is written anew differs a little everywhere"
_ZEROS = "the zeros decide the figures of short clips"
_OWN_JUDGE = "no outside judge: one encoder reads sound and lips, and rendered lips were drawn for it"

KINDS: Mapping[str, Kind] = {
    # Texts
    "wer": Kind("word error rate", "", "lower", "jiwer, after unit2text.normalise", _ASR, ("wer_errors", "wer_length")),
    "cer": Kind("character error rate", "", "lower", "jiwer, after unit2text.normalise", _ASR, ("cer_errors", "cer_length")),
    "chrf": Kind("chrF2", "", "higher", _SACREBLEU, _OTHER_WORDS),
    "bleu_char": Kind("BLEU of characters", "", "higher", _SACREBLEU, _OTHER_WORDS),
    "bleu_13a": Kind("BLEU of words (13a)", "", "higher", _SACREBLEU, "of Korean, whose particles cling to words, it says little"),
    "bleu_ko_mecab": Kind("BLEU of morphemes (ko-mecab)", "", "higher", _SACREBLEU, _OTHER_WORDS),
    # Units
    "unit_error_rate": Kind(
        "unit error rate",
        "",
        "lower",
        "edits over units of the reference, repeats merged",
        "not errors that are heard",
        ("unit_error_rate_errors", "unit_error_rate_length"),
    ),
    "unit_bleu": Kind("BLEU over units", "", "higher", "sacrebleu, a unit a word", _OTHER_WORDS),
    "unit_chrf": Kind("chrF over units", "", "higher", "sacrebleu, a unit a character", _OTHER_WORDS),
    # Voice
    "harmonicity_db": Kind("harmonicity", "dB", "higher", "Boersma 1993, median of loud stretches", _LISTENED),
    "harmonicity_off": Kind("harmonicity less the source's", "dB", "near", "Boersma 1993", "languages sound different"),
    "periodic": Kind("loud stretches with a pitch", "", "higher", "Boersma 1993", _LISTENED),
    "clicks": Kind("clicks a minute", "1/min", "lower", "bends of the wave far beyond those around", "plosives may be counted"),
    "edge_jump_db": Kind("loudness jump at edges of speech", "dB", "lower", "levels of 5 ms", "plosives jump too: " + _LISTENED),
    "floor_db": Kind("noise between words", "dB", "lower", "level in pauses below the loudest 20 ms", "what plays behind counts"),
    "f0_off": Kind("median pitch off the source's", "semitones", "lower", "Boersma 1993", "not its melody"),
    "f0_error": Kind("pitch error", "semitones", "lower", "Boersma 1993, where both are voiced", _IN_STEP),
    "voicing_error": Kind("wrong voicing", "", "lower", "Boersma 1993, share of what is said", _IN_STEP),
    # Speaker
    "speaker": Kind("speaker: cosine to source less others", "", "higher", "vectors of the speaker encoder", "not naturalness"),
    "speaker_cosine": Kind("speaker: cosine to source", "", "higher", "vectors of the speaker encoder", "all voices are alike"),
    # Intelligibility
    "stoi": Kind("STOI", "", "higher", "Taal et al. 2011, pystoi", _IN_STEP),
    "estoi": Kind("ESTOI", "", "higher", "Jensen & Taal 2016, pystoi", _IN_STEP),
    "pesq_wide": Kind("PESQ, wide band", "", "higher", "ITU-T P.862.2 at 16 kHz, pesq", _IN_STEP),
    "pesq_narrow": Kind("PESQ, narrow band", "", "higher", "ITU-T P.862 at 8 kHz, pesq", _IN_STEP),
    # Durations
    "duration_ratio": Kind("length over the source's", "", "near", "seconds of sound", "not whether words fall where lips move"),
    "duration_near": Kind("lengths within 0.9 to 1.1", "", "higher", "share of clips", "not whether words fall where lips move"),
    # Pictures
    "face_ssim": Kind("face: SSIM", "", "higher", "Wang et al. 2004, crops of 96 x 96 beside the true video", _TRUE_FACES),
    "face_l1": Kind("face: mean difference", "", "lower", "crops of 96 x 96 beside the true video, 0 to 1", _TRUE_FACES),
    "sharpness": Kind("face: sharpness over the source's", "", "near", "variance of the Laplacian", "noise counts as sharpness"),
    "outside_unchanged": Kind("unchanged outside the face", "", "higher", "brightness within 8 of 255", _ANEW),
    "outside_l1": Kind("mean difference outside the face", "", "lower", "brightness, 0 to 1", _ANEW),
    # Lip sync
    "unit_sync": Kind("unit sync", "", "higher", "units of lips and of sound: best shift less median", _OWN_JUDGE),
    "unit_sync_delay_ms": Kind("delay of the sound by units", "ms", "near", "the shift at which units agree most", _OWN_JUDGE),
    "unit_sync_at_zero": Kind("units that agree", "", "higher", "share of steps without a shift", _OWN_JUDGE),
    "lse_c": Kind("LSE-C", "", "higher", "SyncNet, Prajwal et al. 2020, pairs that exist only", _ALIKE),
    "lse_d": Kind("LSE-D", "", "lower", "SyncNet, Prajwal et al. 2020, pairs that exist only", "forgives a delay; " + _ALIKE),
    "lse_offset": Kind("offset by SyncNet", "pictures", "near", "pictures of 40 ms by which the sound is early", _ALIKE),
    "lse_at_zero": Kind("SyncNet's distance without a shift", "", "lower", "SyncNet, pairs that exist only", _ALIKE),
    "lse_c_published": Kind("LSE-C, as published", "", "higher", "SyncNet, zeros beyond the clip", _ZEROS),
    "lse_d_published": Kind("LSE-D, as published", "", "lower", "SyncNet, zeros beyond the clip", _ZEROS),
    "lse_offset_published": Kind("offset by SyncNet, as published", "pictures", "near", "SyncNet, zeros beyond the clip", _ALIKE),
}
"""Of all figures that metrics of a case answer with, by name, in the order in which tables have them."""

FRECHET = Kind(
    "Frechet distance of faces", "", "lower", "features of the network that --inception names", "not comparable with published FIDs"
)
"""Of a set: it belongs to no clip."""
