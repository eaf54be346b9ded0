// One sentence of a dub: what was heard, what is said, and three small controls; all else unfolds below.
import { API, button, element, iconButton, named, spoken } from "./parts.js";
import { fileBox } from "./record.js";
import { colourOf } from "./timeline.js";
import { capital, told } from "./verdict.js";
import { language, t } from "./words.js";

const LEAST_S = 0.2; // shorter than this is no sentence
const PLAY = "M3 2l11 6-11 6z";
const HEAR = "M1 6h3l4-4v12l-4-4H1zM10 5q3 3 0 6M12 3q5 5 0 10";
const MORE = "M2 8h.1M8 8h.1M14 8h.1";
export const keyOf = (one) => `${one.start_s} ${one.end_s}`;
const seconds = (value) => value.toFixed(2);
const tenths = (value) => Math.round(10 * value) / 10;
const clock = (value) => `${Math.floor(tenths(value) / 60)}:${(tenths(value) % 60).toFixed(1).padStart(4, "0")}`;

// A speaker in the language of the page, who is found and not named.
export const called = (name) => name.replace(/^speaker (\d+)$/, (_, number) => t("speakerN", number));

const number = (value, name, label) => named(element("input", { type: "number", step: "0.01", min: "0", value: seconds(value), name }), label);

// A box for speech of the visitor's own, without a form around it.
export const speechBox = (file, none, page, changed) => {
  const box = element("div", { className: "file small" });
  Object.assign(box.dataset, { file, none, as: "sound", record: "audio", optional: "yes" });
  return { box, ...fileBox(box, page.about, page.complain, changed) };
};

// A button that says what a text field holds, in a voice; where it is heard again is `room`, and beside it what it translates.
const hearing = (field, voice, page, label, original) => {
  const said = element("span", { className: "quiet" });
  const room = element("div", { className: "heard" }, said);
  const hear = async (autoplay) => {
    if (made.disabled) return;
    made.disabled = true;
    said.textContent = t("starting");
    try {
      const src = await spoken(field.value, voice, (state) => (said.textContent = state));
      said.textContent = "";
      room.replaceChildren(said, named(element("audio", { src, controls: true, autoplay }), t("theDub")));
      Object.assign(original, { hidden: false, preload: "metadata" });
    } catch (error) {
      said.textContent = "";
      page.complain(error.message);
    }
    made.disabled = false;
  };
  const made = named(iconButton("hearIt", HEAR, () => hear(true), "hear"), label);
  return { made, room, hear };
};

// `now()` is what it shall become, `changed()` whether that is anything new, `kept()` what was typed and `set()` puts it back.
// typed: that of an earlier visit; shown: the player; changes: called after each change; edit: divides or joins it.
export const row = (one, job, page, typed, shown, changes, edit) => {
  let place = one.number; // among the rows by now
  let isSetting = true;
  const at = (key) => `${t(key)} ${one.number}`;
  const text = one.corrected || one.spoken; // what is said by now, to be corrected in its place
  const isStale = Boolean(one.corrected) && !["asks", "done"].includes(job.state); // what was found is of the text before
  const isOpen = page.about.has_speller || job.values.road === "text";

  const said = named(element("textarea", { rows: 1, maxLength: 500, value: text, lang: job.languages[1], disabled: !isOpen }), at("spoken"));
  said.placeholder = t(said.disabled ? "noText" : "sayInstead");
  const [from, to] = [number(one.start_s, "from", at("from")), number(one.end_s, "to", at("to"))];
  const who = named(element("input", { type: "text", className: "who", value: called(one.speaker), maxLength: 60 }), at("who"));
  const fields = { spoken: said, from, to, who };
  const first = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value]));

  // About it: number, times, speaker, and how much of it is understood
  const [count, times, name, grade, length] = ["b", "span", "span", "span", "span"].map((tag) => element(tag));
  Object.assign(name, { className: "speaker" });
  const judge = () => {
    const own = said.value.trim() && (one.corrected || said.value.trim() !== text);
    const word = one.left_alone ? "left_alone" : own ? "yourText" : said.value.trim() ? "" : "no_text";
    const found = word ? "unknown" : (one.quality?.words ?? "unknown");
    Object.assign(grade, { className: `verdict ${found}`, textContent: word ? t(word) : capital(told(one.quality)[0].match(/[^:]*\(\d+%\)/)?.[0].trim() ?? told(one.quality)[0]) });
    return word || found;
  };

  // Three small controls
  const play = () => shown?.part({ ...one, start_s: Number(from.value), end_s: Number(to.value) });
  const source = job.files.find((file) => file.name.startsWith("source"));
  const original = named(element("audio", { controls: true, preload: "none", hidden: true }), t("theOriginal"));
  if (source) original.src = `${API}/jobs/${job.id}/files/${source.name}#t=${seconds(one.start_s)},${seconds(one.end_s)}`;
  const isHeard = page.about.has_speller && !page.about.operator;
  const heard = hearing(said, job.uploads.voice || job.uploads.video, page, at("hearIt"), original);
  heard.made.disabled = said.disabled;
  const unfold = named(iconButton("where", MORE, () => open(more.hidden), "unfold"), at("where"));
  const acts = element("div", { className: "acts" }, shown ? named(iconButton("play", PLAY, play), at("play")) : "", isHeard ? heard.made : "", unfold);

  // What unfolds: other texts, times, speaker, speech of one's own, and to divide and join
  const put = (value) => {
    said.value = value;
    said.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const back = button("machineText", () => put(one.machine));
  const lasting = (other) => {
    const known = one.alternatives.find((take) => take.spoken === other)?.seconds;
    return known ? `${other} (${known.toFixed(1)} s)` : other;
  };
  const others = [...new Set([text, ...one.alternatives.map((take) => take.spoken)])].filter(Boolean);
  const takes = named(element("select", { hidden: others.length < 2 || !isOpen }, new Option(t(one.too_long_s ? "shorterAlternatives" : "alternatives"), ""), ...others.map((other) => new Option(lasting(other), other))), at("alternatives"));
  takes.addEventListener("change", () => takes.value && put(takes.value));
  const cut = () => {
    const time = shown?.at() ?? 0; // where the video stands, if that is in this sentence
    edit({ split: place, ...(time > one.start_s + LEAST_S && time < one.end_s - LEAST_S ? { at_s: time } : {}) });
  };
  const edits = element("span", { className: "buttons" }, named(button("split", cut), at("split")), named(button("join", () => edit({ join: place })), at("join")));

  let hasOther = false; // speech of its own that it had not before
  const own = speechBox("ownSpeech", "noOwnSpeech", page, async () => {
    if (isSetting) return; // it is not the visitor who changes it
    hasOther = own.has() || Boolean(one.speech);
    follow();
    try {
      await own.upload(() => {}); // it is there after another visit, too
      changes();
    } catch (error) {
      page.complain(error.message);
    }
  });
  const timed = element("span", { className: "buttons" }, from, "–", to, who);
  const more = element("div", { className: "more", hidden: true }, takes, timed, edits, own.box);
  const open = (isOpened) => {
    more.hidden = !isOpened;
    unfold.setAttribute("aria-expanded", String(isOpened));
  };
  open(false);

  // Another window may have dubbed another text since: both stand here.
  const other = element("p", { className: "warning other", textContent: t("otherWindow", text) });
  const isAlone = job.utterances.length === 1;
  const long = one.too_long_s ? t("longerBy", one.too_long_s.toFixed(1)) : "";
  const notes = [long, one.checked?.[language()], one.left_alone?.[language()], isAlone ? "" : told(one.quality)[1]].filter(Boolean);
  const noted = element("div", {}, ...(isStale ? [] : notes).map((text) => element("p", { className: "quiet", textContent: capital(text) })));

  const recognized = element("p", { className: "recognized", lang: job.languages[0], textContent: one.recognized || t("noText") });
  const about = element("div", { className: "about" }, count, times, name, length, isAlone && !one.left_alone ? "" : grade);
  const made = element("li", { className: "row" }, about, element("div", { className: "texts" }, recognized, original, said, other, noted, isOpen && one.machine ? back : "", heard.room), acts, more);

  // What was not touched stays exactly as it was: a time that is rounded to be shown would be another one.
  const time = (input, before) => (input.value === seconds(before) ? before : Number(input.value));
  const now = (speech) => ({
    speech,
    start_s: time(from, one.start_s),
    end_s: time(to, one.end_s),
    spoken: [{ spoken: text, corrected: one.corrected }, ...one.alternatives].find((take) => take.spoken === said.value.trim())?.corrected ?? said.value.trim(),
    speaker: who.value.trim() === called(one.speaker) ? one.named : who.value.trim(),
  });
  const changed = () => {
    const next = now();
    return hasOther || next.start_s !== one.start_s || next.end_s !== one.end_s || next.spoken !== one.corrected || next.speaker !== one.named;
  };
  const speaker = () => ({ name: now().speaker || one.speaker, was: one.speaker });
  const isOther = () => "was" in typed && typed.was !== text && typed.spoken !== text && said.value.trim() !== text;

  const follow = () => {
    const value = said.value.trim();
    made.classList.toggle("changed", changed());
    heard.room.hidden = !value;
    heard.made.style.visibility = value ? "" : "hidden"; // the others stay where they are
    noted.hidden = value !== text; // they were of other words
    back.hidden = value === one.machine;
    other.hidden = !isOther();
    edits.hidden = own.has() || said.disabled; // speech of one's own belongs to the whole sentence
    times.textContent = `${clock(Number(from.value))}–${clock(Number(to.value))}`;
    const needs = value === text && !isStale && one.natural_s;
    length.textContent = needs ? t("takes", one.natural_s.toFixed(1), one.slot_s.toFixed(1)) : "";
    length.className = needs && one.too_long_s ? "long" : "quiet";
    judge();
  };
  made.addEventListener("input", (event) => {
    if (event.target.type === "file") return;
    follow();
    changes(event.target);
  });

  const set = (next) => {
    isSetting = true;
    typed = next;
    for (const [name, field] of Object.entries(fields)) field.value = next[name] ?? first[name];
    hasOther = "speech" in next;
    const speech = hasOther ? next.speech : one.speech ? { id: one.speech, name: job.names[one.speech] } : null;
    if ((own.facts()?.id ?? "") !== (speech?.id ?? "")) own.take(null, speech);
    isSetting = false;
    follow();
  };
  set(typed);

  made.addEventListener("keydown", (event) => {
    if (!event.altKey || !["Enter", "ArrowDown", "ArrowUp"].includes(event.key)) return;
    event.preventDefault();
    if (event.key === "Enter") play();
    else (event.key === "ArrowDown" ? made.nextSibling : made.previousSibling)?.querySelector("textarea").focus();
  });

  return {
    made, said, put, set, changed, speaker, key: keyOf(one), seconds: one.end_s - one.start_s,
    now: async () => now(await own.upload(() => {})),
    kept: () => ({
      ...Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value])),
      was: typed.was ?? text,
      ...(hasOther && (own.facts() || !own.has()) ? { speech: own.facts() } : {}),
    }),
    hear: isHeard && !said.disabled ? heard.hear : null,
    // number: among the rows; speaker: among the speakers.
    move(number, speaker, isNamed) {
      place = number;
      count.textContent = `${number} `;
      name.textContent = isNamed ? who.value : "";
      made.style.setProperty("--speaker", colourOf(speaker));
    },
    place: (start, end) => {
      if (start !== null) from.value = seconds(start);
      if (end !== null) to.value = seconds(end);
      from.dispatchEvent(new Event("input", { bubbles: true }));
    },
    block: () => {
      const isSame = said.value.trim() === text && !isStale && one.natural_s > 0;
      const found = judge();
      return { number: place, start_s: time(from, one.start_s), end_s: time(to, one.end_s), text: said.value.trim() || one.recognized, filled: isSame ? one.natural_s / one.slot_s : 0, isLong: isSame && one.too_long_s > 0, isDoubted: ["not_understood", "unsure"].includes(found), isOpen: isOpen && job.isOpen };
    },
    isOwn: () => own.has() || judge() === "yourText",
    isStill: (words) => one.quality?.words === words && !own.has() && judge() !== "yourText",
    hasText: () => Boolean(said.value.trim()),
    isUntold: () => !said.value.trim() && !own.has() && !one.left_alone,
  };
};
