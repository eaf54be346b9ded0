// The editor of a dub: player, time line and sentences, with steps back and forth over all that is typed.
import { button, edited, element, named } from "./parts.js";
import { history, keepTyped, typedOf } from "./kept.js";
import { called, keyOf, row, speechBox } from "./row.js";
import { timeline } from "./timeline.js";
import { t } from "./words.js";

const SOME = 3; // sentences that are heard before the whole is drawn

// Which voice each speaker has, from a list to which voices can be added. speakers: {name, was} of each by now, and before it was
// named anew; `show()` follows them, `now()`: ids of uploads by speaker.
const voices = (job, page, typed, speakers, changes) => {
  const before = new Map(Object.entries(job.values.voices ?? {}));
  const chosen = new Map();
  const files = new Map([...before.values(), job.uploads.voice].filter(Boolean).map((id) => [id, job.names[id]]));
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
    const now = JSON.stringify([speakers(), [...files.keys()], [...chosen]]);
    if (now !== shown && !grid.contains(document.activeElement)) grid.replaceChildren(...speakers().map(list));
    shown = now;
  };
  const set = (next) => {
    chosen.clear();
    for (const [name, id] of [...before, ...Object.entries(next.voices ?? {})]) chosen.set(name, id);
    for (const [id, name] of Object.entries(next.files ?? {})) files.set(id, name);
  };
  set(typed);

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

  const root = element("details", { className: "voices" }, element("summary", { textContent: t("voices") }), grid, other.box);
  root.addEventListener("change", () => changes());
  return {
    root, show, set,
    now: () => Object.fromEntries(speakers().map((one) => [one.name, voice(one)]).filter(([, id]) => id)),
    kept: () => ({ voices: Object.fromEntries(chosen), files: Object.fromEntries(files) }),
    changed: () => speakers().some((one) => voice(one) !== (before.get(one.was) ?? "")),
  };
};

// How names and terms of the talk are said; what is proposed stands there in grey. `now()`: what is said, by word.
const terms = (job, typed, changes) => {
  const fields = job.terms.map((one) => {
    const input = named(element("input", { type: "text", placeholder: one.proposed, maxLength: 60, lang: job.languages[1] }), one.word);
    return { one, input, spoken: () => input.value.trim() };
  });
  const set = (next) => fields.forEach(({ one, input }) => (input.value = next.terms?.[one.word] ?? one.spoken));
  set(typed);

  const labels = fields.map(({ one, input }) => element("label", {}, element("span", { textContent: one.word }), input));
  const root = element("details", { className: "terms", hidden: !fields.length }, element("summary", { textContent: t("terms") }), element("div", { className: "grid" }, ...labels));
  root.addEventListener("input", (event) => changes(event.target));

  const kept = () => Object.fromEntries(fields.map(({ one, spoken }) => [one.word, spoken()]));
  const now = () => Object.fromEntries(Object.entries(kept()).filter(([, text]) => text));
  return { root, now, kept, set, changed: () => fields.some(({ one, spoken }) => spoken() !== one.spoken) };
};

// Find words in all texts, and replace them in one step. rows: returns the rows; changes: tells that all of it is done.
const finder = (rows, changes) => {
  const [find, replace] = ["find", "replaceBy"].map((key) => named(element("input", { type: "text", maxLength: 100, placeholder: t(key) }), t(key)));
  const count = element("span", { className: "quiet", role: "status" });
  let last = -1;
  const found = () => (find.value ? rows().filter((one) => !one.said.disabled && one.said.value.includes(find.value)) : []);

  const next = () => {
    const all = found();
    const one = all.find((each) => rows().indexOf(each) > last) ?? all[0];
    if (!one) return;
    last = rows().indexOf(one);
    const begin = one.said.value.indexOf(find.value);
    one.said.focus();
    one.said.setSelectionRange(begin, begin + find.value.length);
  };
  const all = () => changes(() => found().forEach((one) => one.put(one.said.value.replaceAll(find.value, replace.value))));
  const follow = () => {
    last = -1;
    count.textContent = find.value ? t("found", found().length) : "";
  };
  find.addEventListener("input", follow);
  find.addEventListener("keydown", (event) => event.key === "Enter" && next());
  const buttons = element("span", { className: "buttons" }, find, button("findNext", next), replace, button("replaceAll", () => (all(), follow())), count);
  return element("details", { className: "finder" }, element("summary", { textContent: t("findReplace") }), buttons);
};

// The texts of a job, and `form()`: all of them where any was changed; changes: called with how many were.
export const editor = (job, page, shown, changes) => {
  job.isOpen = !["waiting", "running"].includes(job.state); // else its texts are being dubbed, and what was typed waits
  const typed = job.isOpen ? typedOf(job.id) : {};
  // Sentences that were divided or joined, in order; not again where another window has dubbed them so.
  const base = job.utterances.map(keyOf).join();
  let edits = typed.base === base ? [...typed.edits] : [];
  const known = new Map(); // rows by their times: a sentence that was divided or joined comes back
  let rows = [];
  let blocks = []; // of the time line
  let isBatch = true; // several fields change, and are told of at once
  const some = () => rows.filter((one) => one.hear && one.hasText()).slice(0, SOME); // they are heard, one after another, before anything is drawn
  const speakers = () => [...new Map(rows.map((one) => one.speaker()).map((one) => [one.name, one])).values()];

  const snapshot = () => {
    const kept = Object.fromEntries(rows.filter((one) => one.changed()).map((one) => [one.key, one.kept()]));
    return { base, edits: [...edits], rows: kept, terms: names.kept(), ...who.kept() };
  };
  const tell = (field = null) => {
    if (isBatch) return;
    const order = speakers().map((one) => one.name);
    rows.forEach((one, place) => one.move(place + 1, order.indexOf(one.speaker().name), order.length > 1));
    who.show();
    blocks = rows.map((one) => ({ ...one.block(), speaker: order.indexOf(one.speaker().name) }));
    line.show(blocks);

    const changed = rows.filter((one) => one.changed());
    const rest = edits.length || changed.length || who.changed() || names.changed();
    steps.add(snapshot(), field);
    if (job.isOpen) keepTyped(job.id, rest ? steps.now() : null);
    [undo.disabled, redo.disabled] = steps.can().map((can) => !can);

    const isUntold = names.changed() || (edits.length > 0 && rows.some((one) => one.isUntold()));
    const now = {
      isUntold, seconds: changed.reduce((sum, one) => sum + one.seconds, 0), isTyped: rows.every((one) => one.isOwn()),
      lost: rows.filter((one) => one.isStill("not_understood")).length, doubted: rows.some((one) => one.isStill("unsure")), of: rows.length, some: some().length,
    };
    changes(changed.length + edits.length + who.changed() + names.changed(), now);
  };
  const batch = async (work) => {
    isBatch = true;
    await work();
    isBatch = false;
  };

  const who = voices(job, page, typed, speakers, tell);
  const names = terms(job, typed, tell);
  const body = element("ol", { className: "rows" });
  const choose = (place) => {
    rows[place]?.said.focus({ preventScroll: true });
    rows[place]?.made.scrollIntoView({ block: "center" });
  };
  const line = timeline(job, shown, (place, from, to) => rows[place].place(from, to), choose);

  const fill = (utterances) => {
    const kept = steps?.now().rows ?? typed.rows ?? {};
    rows = utterances.map((one) => known.get(keyOf(one)) ?? row(one, job, page, kept[keyOf(one)] ?? {}, shown, tell, edit));
    for (const one of rows) known.set(one.key, one);
    body.replaceChildren(...rows.map((one) => one.made));
  };
  const follow = async () => {
    try {
      fill((edits.length ? await edited(job.id, edits) : job).utterances);
    } catch (error) {
      edits.pop();
      page.complain(error.message);
    }
  };
  const edit = async (one) => {
    edits.push(one);
    await follow();
    tell();
    rows[Math.min(one.split || one.join, rows.length) - 1]?.said.focus();
  };
  const restore = async (next) => {
    if (!next) return;
    await batch(async () => {
      edits = [...next.edits];
      for (const one of known.values()) one.set(next.rows[one.key] ?? {});
      who.set(next);
      names.set(next);
      await follow();
    });
    steps.settle(snapshot());
    tell();
  };

  let steps = null;
  const [undo, redo] = [button("undo", () => restore(steps.undo())), button("redo", () => restore(steps.redo()))];
  [undo.disabled, redo.disabled] = [true, true];
  fill(job.utterances);
  const begin = async () => {
    if (edits.length) await follow();
    steps = history(snapshot());
    isBatch = false;
    tell(); // the verdict follows what was typed, now or for the job that runs
  };

  const tools = element("div", { className: "tools" }, undo, redo, finder(() => rows, (work) => batch(work).then(() => tell())), names.root, who.root);
  const watch = element("div", { className: "watch" }, shown?.root ?? "");
  const root = element("div", { className: "editor" }, line.root, watch, element("div", { className: "texts" }, tools, body, element("p", { className: "quiet keys", textContent: t("keys") })));
  root.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || !["z", "y"].includes(event.key.toLowerCase())) return;
    event.preventDefault();
    (event.shiftKey || event.key.toLowerCase() === "y" ? redo : undo).click();
  });
  // The sentence that is heard is marked.
  shown?.original.addEventListener("timeupdate", () => {
    const at = shown.at();
    const isHeard = ({ start_s: start, end_s: end }) => !shown.original.paused && start <= at && at < end;
    for (const [place, one] of rows.entries()) one.made.classList.toggle("now", isHeard(blocks[place] ?? {}));
  });

  const form = async () => {
    if (!edits.length && !who.changed() && !names.changed() && !rows.some((one) => one.changed())) return {};
    return { rows: await Promise.all(rows.map((one) => one.now())), voices: who.now(), terms: names.now() };
  };
  return { root, form, some, begin };
};
