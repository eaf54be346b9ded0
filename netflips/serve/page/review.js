// The texts of a dub: what was heard and what is said, side by side, each to be heard, corrected and dubbed anew.
import { API, button, edited, element, press, spoken } from "./parts.js";
import { fileBox } from "./record.js";
import { keep, language, recall, recalled, t } from "./words.js";

const LEAST_S = 0.2; // shorter than this is no sentence
const SOME = 3; // sentences that are heard before the whole is drawn
const keyOf = (one) => `${one.start_s} ${one.end_s}`;
const seconds = (value) => value.toFixed(2);
const clock = (value) => `${Math.floor(value / 60)}:${String(Math.floor(value % 60)).padStart(2, "0")}`;

// What was typed of a job and is not dubbed yet: a page that is opened again has it, until it is forgotten. This window has its
// own, by job: what another one dubs, or types, takes nothing away from it.
const typedName = (id) => `typed-${id}`;
const ours = new Map();
const typedOf = (id) => {
  try {
    return ours.get(id) ?? JSON.parse(recall(typedName(id))) ?? {};
  } catch {
    return {};
  }
};
const keepTyped = (id, typed) => {
  if (!typed && !Object.keys(ours.get(id) ?? {}).length) return; // what is kept may be another window's
  if (!typed) return forget(id);
  ours.set(id, typed);
  keep(typedName(id), JSON.stringify(typed));
};
export const forget = (id) => {
  ours.set(id, {});
  keep(typedName(id), null);
};

// Of jobs that are gone, nothing stays.
export const forgetOthers = (ids) => {
  const names = ids.map(typedName);
  for (const name of recalled("typed-")) if (!names.includes(name)) keep(name, null);
};

const cell = (key, ...children) => {
  const made = element("td", { className: key }, ...children);
  made.dataset.label = t(key);
  return made;
};

// A speaker in the language of the page, who is found and not named.
const called = (name) => name.replace(/^speaker (\d+)$/, (_, number) => t("speakerN", number));

const named = (made, name) => {
  made.setAttribute("aria-label", name);
  return made;
};

const number = (value, name, label) =>
  named(element("input", { type: "number", step: "0.01", min: "0", value: seconds(value), name }), label);

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// What the command line says of how much is quality: the verdict, and its causes.
const told = (found) => {
  const [head, ...causes] = found?.text?.[language()].split("; ") ?? [t("notJudged")];
  return [capital(head), causes.join("; ")];
};

// How much is understood, in colour and in words.
export const verdict = (found, words = found?.words ?? "unknown", [head, causes] = words === "given" ? [t("yourText"), ""] : told(found)) => {
  return element("p", { className: `verdict ${words}` }, element("b", { textContent: `${head}. ` }), causes && `${capital(causes)}.`);
};

// A box for speech of the visitor's own, without a form around it.
const speechBox = (file, none, page, changed) => {
  const box = element("div", { className: "file small" });
  Object.assign(box.dataset, { file, none, as: "sound", record: "audio", optional: "yes" });
  return { box, ...fileBox(box, page.about, page.complain, changed) };
};

// Which voice each speaker has, from a list to which voices can be added. speakers: {name, was} of each by now, and before it was
// named anew; `show()` follows them, `now()`: ids of uploads by speaker.
const voices = (job, page, typed, speakers, changes) => {
  const before = new Map(Object.entries(job.values.voices ?? {}));
  const chosen = new Map([...before, ...Object.entries(typed.voices ?? {})]);
  const files = new Map([...before.values(), job.uploads.voice].filter(Boolean).map((id) => [id, job.names[id]]));
  for (const [id, name] of Object.entries(typed.files ?? {})) files.set(id, name);
  const voice = ({ name, was }) => chosen.get(name) ?? chosen.get(was) ?? "";

  const list = (one) => {
    const options = [["", t(page.ownVoice === "builtInVoice" ? "builtIn" : "ownVoice")], ...files].map(([id, name]) => new Option(name, id));
    const made = named(element("select", {}, ...options), `${t("voices")}: ${called(one.name)}`);
    made.value = voice(one);
    made.addEventListener("change", () => chosen.set(one.name, made.value));
    return element("label", {}, element("span", { textContent: called(one.name) }), made);
  };

  const grid = element("div", { className: "grid" });
  let shown = "";
  const show = () => {
    const now = JSON.stringify([speakers(), [...files.keys()]]);
    if (now !== shown) grid.replaceChildren(...speakers().map(list));
    shown = now;
  };

  const other = speechBox("addVoice", "noAddVoice", page, async () => {
    if (!other?.has()) return;
    const name = other.box.querySelector(".chosen").textContent;
    try {
      const id = await other.upload(() => {});
      files.set(id, name);
      if (speakers().length === 1) chosen.set(speakers()[0].name, id);
      changes();
    } catch (error) {
      page.complain(error.message);
    }
  });

  const root = element("details", {}, element("summary", { textContent: t("voices") }), grid, other.box);
  root.addEventListener("change", changes);
  const now = () => Object.fromEntries(speakers().map((one) => [one.name, voice(one)]).filter(([, id]) => id));
  const kept = () => ({ voices: Object.fromEntries(chosen), files: Object.fromEntries(files) });
  return { root, show, now, kept, changed: () => speakers().some((one) => voice(one) !== (before.get(one.was) ?? "")) };
};

// How names and terms of the talk are said; what is proposed stands there in grey. `now()`: what is said, by word.
const terms = (job, typed, changes) => {
  const fields = job.terms.map((one) => {
    const input = named(element("input", { type: "text", value: typed.terms?.[one.word] ?? one.spoken, placeholder: one.proposed, maxLength: 60, lang: job.languages[1] }), one.word);
    return { one, input, spoken: () => input.value.trim() };
  });

  const labels = fields.map(({ one, input }) => element("label", {}, element("span", { textContent: one.word }), input));
  const root = element("details", { className: "terms", hidden: !fields.length }, element("summary", { textContent: t("terms") }), element("div", { className: "grid" }, ...labels));
  root.addEventListener("input", changes);

  const now = () => Object.fromEntries(fields.map(({ one, spoken }) => [one.word, spoken()]).filter(([, text]) => text));
  const kept = () => Object.fromEntries(fields.map(({ one, spoken }) => [one.word, spoken()]));
  return { root, now, kept, changed: () => fields.some(({ one, spoken }) => spoken() !== one.spoken) };
};

// A button that says what a text field holds, in a voice, with the means to hear it again; beside it, what it translates.
const hearing = (field, voice, page, label, original) => {
  const made = named(element("button", { type: "button", className: "hear", textContent: t("hearIt"), disabled: field.disabled }), label);
  const room = element("div", {}, made);

  const say = async (autoplay) => {
    const src = await spoken(field.value, voice, (state) => (made.textContent = state));
    room.replaceChildren(made, named(element("audio", { src, controls: true, autoplay }), t("theDub")));
    Object.assign(original, { hidden: false, preload: "metadata" });
  };
  const hear = (autoplay) => press(made, page, () => say(autoplay));
  made.addEventListener("click", () => hear(true));
  return { room, hear };
};

// One row; `now()` is what it shall become, `changed()` whether that is anything new, `kept()` what was typed. typed: that of an
// earlier visit; shown: the videos; edit: divides or joins it.
const row = (one, job, page, typed, shown, changes, edit) => {
  let made = null;
  let place = one.number; // among the rows by now
  const at = (key) => `${t(key)} ${one.number}`;
  const [from, to] = [number(one.start_s, "from", at("from")), number(one.end_s, "to", at("to"))];

  const who = named(element("input", { type: "text", className: "who", value: called(one.speaker), maxLength: 60 }), at("who"));
  const text = one.corrected || one.spoken; // what is said by now, to be corrected in its place
  const said = named(element("textarea", { rows: 2, maxLength: 500, value: text, lang: job.languages[1] }), at("spoken"));
  said.disabled = !page.about.has_speller && job.values.road !== "text";
  said.placeholder = t(said.disabled ? "noText" : "sayInstead");

  const count = element("b", { textContent: `${one.number} ` });
  const first = element("td", { className: "about" }, count, `${clock(one.start_s)}–${clock(Math.ceil(one.end_s))} `);
  const play = () => shown?.part(one);

  // The verdict on one sentence stands above the table.
  const grade = element("span");
  const judge = () => {
    const own = said.value.trim() && (one.corrected || said.value.trim() !== text);
    const word = one.left_alone ? "left_alone" : own ? "yourText" : said.value.trim() ? "" : "no_text";
    const found = word ? "unknown" : (one.quality?.words ?? "unknown");
    Object.assign(grade, { className: `verdict ${found}`, textContent: word ? t(word) : told(one.quality)[0] });
    return word || found;
  };
  judge();
  if (one.left_alone || job.utterances.length > 1) first.append(grade);

  const cut = () => {
    const time = shown?.at() ?? 0; // where the video stands, if that is in this sentence
    edit({ split: place, ...(time > one.start_s + LEAST_S && time < one.end_s - LEAST_S ? { at_s: time } : {}) });
  };
  const edits = element("span", { className: "buttons" }, named(button("split", cut), at("split")), named(button("join", () => edit({ join: place })), at("join")));
  edits.hidden = Boolean(one.speech) || said.disabled;
  const acts = element("div", { className: "buttons" }, shown ? named(button("play", play), at("play")) : "", edits);

  let hasOther = "speech" in typed; // speech of its own that it had not before
  const own = speechBox("ownSpeech", "noOwnSpeech", page, async () => {
    if (!made) return; // it is not the visitor who changes it
    hasOther = own.has() || Boolean(one.speech);
    edits.hidden = hasOther || said.disabled; // speech of one's own belongs to the whole sentence
    made.dispatchEvent(new Event("input"));
    try {
      if (await own.upload(() => {})) changes(); // it is there after another visit, too
    } catch (error) {
      page.complain(error.message);
    }
  });

  if ("speech" in typed) own.take(null, typed.speech);
  else if (one.speech) own.take(null, { id: one.speech, name: job.names[one.speech] });
  if (own.has()) edits.hidden = true;
  first.append(acts, element("details", {}, element("summary", { textContent: t("where") }), from, " – ", to, who, own.box));

  // Choosing what was said before puts it into its place again.
  const lasting = (other) => {
    const known = one.alternatives.find((take) => take.spoken === other)?.seconds;
    return known ? `${other} (${known.toFixed(1)} s)` : other;
  };
  const others = [...new Set(one.alternatives.map((take) => take.spoken))].filter((other) => other && other !== text);
  const takes = named(element("select", { hidden: !others.length }, new Option(t(one.too_long_s ? "shorterAlternatives" : "alternatives"), ""), ...others.map((other) => new Option(lasting(other), other))), at("alternatives"));
  takes.addEventListener("change", () => {
    said.value = takes.value || text;
    said.dispatchEvent(new Event("input", { bubbles: true }));
  });

  // Another window may have dubbed another text since: both stand here.
  const isOther = "was" in typed && typed.was !== text && typed.spoken !== text;
  const other = element("p", { className: "warning other", textContent: t("otherWindow", text) });

  const long = one.too_long_s ? t("longerBy", one.too_long_s.toFixed(1)) : "";
  const notes = [long, one.checked?.[language()], one.left_alone?.[language()], job.utterances.length > 1 ? told(one.quality)[1] : ""].filter(Boolean);
  const noted = element("div", {}, ...notes.map((text) => element("p", { className: "quiet", textContent: capital(text) })));

  const source = job.files.find((file) => file.name.startsWith("source"));
  const original = named(element("audio", { controls: true, preload: "none", hidden: true }), t("theOriginal"));
  if (source) original.src = `${API}/jobs/${job.id}/files/${source.name}#t=${seconds(one.start_s)},${seconds(one.end_s)}`;
  const isHeard = page.about.has_speller && !page.about.operator;
  const heard = hearing(said, job.uploads.voice || job.uploads.video, page, at("hearIt"), original);

  made = element(
    "tr",
    {},
    first,
    cell("recognized", element("p", { lang: job.languages[0], textContent: one.recognized || t("noText") }), original),
    cell("spoken", said, other, takes, isHeard ? heard.room : "", noted),
  );

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

  const hasText = () => Boolean(said.value.trim());
  const follow = () => {
    made.classList.toggle("changed", changed());
    heard.room.hidden = !hasText();
    noted.hidden = said.value.trim() !== text; // they were of other words
    other.hidden = !isOther || said.value.trim() === text;
    judge();
  };
  made.addEventListener("input", () => {
    follow();
    changes();
  });

  const fields = { spoken: said, from, to, who };
  const kept = () => ({
    ...Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value])),
    was: typed.was ?? text,
    ...(hasOther && (own.facts() || !own.has()) ? { speech: own.facts() } : {}),
  });
  for (const [name, field] of Object.entries(fields)) field.value = typed[name] ?? field.value;
  follow();

  made.addEventListener("keydown", (event) => {
    if (!event.altKey || !["Enter", "ArrowDown", "ArrowUp"].includes(event.key)) return;
    event.preventDefault();
    if (event.key === "Enter") play();
    else (event.key === "ArrowDown" ? made.nextSibling : made.previousSibling)?.querySelector("textarea").focus();
  });

  const speaker = () => ({ name: now().speaker || one.speaker, was: one.speaker });
  const move = (number) => {
    place = number;
    count.textContent = `${number} `;
  };
  return {
    made, now: async () => now(await own.upload(() => {})), changed, kept, hear: isHeard && !said.disabled ? heard.hear : null, speaker, move, key: keyOf(one), seconds: one.end_s - one.start_s,
    isOwn: () => own.has() || judge() === "yourText",
    isStill: (words) => one.quality?.words === words && !own.has() && judge() !== "yourText",
    hasText,
    isUntold: () => !hasText() && !own.has() && !one.left_alone,
  };
};

// The texts of a job in a table, and `form()`: all of them where any was changed; `changes` is called with how many were.
export const texts = (job, page, shown, changes) => {
  const isOpen = !["waiting", "running"].includes(job.state); // else its texts are being dubbed, and what was typed waits
  const typed = isOpen ? typedOf(job.id) : {};
  // Sentences that were divided or joined, in order; not again where another window has dubbed them so.
  const base = job.utterances.map(keyOf).join();
  const edits = typed.base === base ? [...typed.edits] : [];
  const known = new Map(); // what was typed stays, also of a sentence that is divided or joined and comes back
  let rows = [];
  const some = () => rows.filter((one) => one.hear && one.hasText()).slice(0, SOME); // they are heard, one after another, before anything is drawn
  const speakers = () => [...new Map(rows.map((one) => one.speaker()).map((one) => [one.name, one])).values()];

  const tell = () => {
    who.show();
    const changed = rows.filter((one) => one.changed());
    const seconds = changed.reduce((sum, one) => sum + one.seconds, 0);
    const rest = edits.length || changed.length || who.changed() || names.changed();
    const kept = Object.fromEntries(changed.map((one) => [one.key, one.kept()]));
    if (isOpen) keepTyped(job.id, rest ? { base, edits, rows: kept, terms: names.kept(), ...who.kept() } : null);
    const isUntold = names.changed() || (edits.length > 0 && rows.some((one) => one.isUntold()));
    const now = { seconds, isUntold, isTyped: rows.every((one) => one.isOwn()), lost: rows.filter((one) => one.isStill("not_understood")).length, doubted: rows.some((one) => one.isStill("unsure")), of: rows.length, some: some().length };
    changes(changed.length + edits.length + who.changed() + names.changed(), now);
  };

  const who = voices(job, page, typed, speakers, tell);
  const names = terms(job, typed, tell);
  const body = element("tbody");

  const fill = (utterances) => {
    rows = utterances.map((one) => known.get(keyOf(one)) ?? row(one, job, page, typed.rows?.[keyOf(one)] ?? {}, shown, tell, edit));
    for (const [place, one] of rows.entries()) {
      one.move(place + 1);
      known.set(one.key, one);
    }
    body.replaceChildren(...rows.map((one) => one.made));
  };
  const follow = async () => {
    try {
      fill((edits.length ? await edited(job.id, edits) : job).utterances);
    } catch (error) {
      edits.pop();
      page.complain(error.message);
    }
    undo.hidden = !edits.length;
    tell();
  };
  const edit = async (one) => {
    if (one) edits.push(one);
    else edits.pop();
    await follow();
    rows[Math.min((one?.split || one?.join || 1), rows.length) - 1]?.made.querySelector("textarea").focus();
  };

  const undo = button("undo", () => edit(null));
  undo.hidden = true;
  fill(job.utterances);
  who.show();
  if (edits.length) follow();
  else tell(); // the verdict follows what was typed, now or for the job that runs

  const heads = ["utterance", "recognized", "spoken"].map((key) => element("th", { textContent: t(key), scope: "col" }));
  const table = element(
    "table",
    { className: "rows" },
    element("thead", {}, element("tr", {}, ...heads)),
    body,
  );
  const form = async () => {
    if (!edits.length && !who.changed() && !names.changed() && !rows.some((one) => one.changed())) return {};
    return { rows: await Promise.all(rows.map((one) => one.now())), voices: who.now(), terms: names.now() };
  };

  const keys = element("p", { className: "quiet keys", textContent: t("keys") });
  return { root: element("div", { className: "scroll" }, table, undo, keys, names.root, who.root), form, some };
};
