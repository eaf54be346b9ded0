// The texts of a dub: what was heard and what is said, side by side, each to be heard, corrected and dubbed anew.
import { button, spoken } from "./jobs.js";
import { element } from "./player.js";
import { language, t } from "./words.js";

const seconds = (value) => value.toFixed(2);
const clock = (value) => `${Math.floor(value / 60)}:${String(Math.floor(value % 60)).padStart(2, "0")}`;

const cell = (label, ...children) => {
  const made = element("td", {}, ...children);
  made.dataset.label = label;
  return made;
};

const named = (made, name) => {
  made.setAttribute("aria-label", name);
  return made;
};

const number = (value, name, label) =>
  named(element("input", { type: "number", step: "0.01", min: "0", value: seconds(value), name }), label);

// Why something is not understood well: its share and its causes.
const why = (found) => (["bad", "doubtful"].includes(found?.grade) ? found.words[language()].replace(/^[^:]+: /, "") : "");

// How much is understood, in colour and in words.
export const verdict = (found) => {
  const grade = found?.grade ?? "unknown";
  return element("p", { className: `verdict ${grade}` }, element("b", { textContent: `${t(`grade_${grade}`)} ` }), why(found));
};

// A button that says what a text field holds, in a voice, with the means to hear it again.
const hearing = (field, voice, page, label) => {
  const made = named(element("button", { type: "button", className: "hear", textContent: t("hearIt"), disabled: field.disabled }), label);
  const room = element("div", {}, made);
  made.addEventListener("click", async () => {
    made.disabled = true;
    made.textContent = t("starting");
    try {
      const src = await spoken(field.value, voice, (state) => (made.textContent = state));
      room.replaceChildren(made, element("audio", { src, controls: true, autoplay: true }));
    } catch (error) {
      page.complain(error.message);
    }
    made.textContent = t("hearIt");
    made.disabled = false;
  });
  return room;
};

// One row; `now()` is what it shall become, `changed()` whether that is anything new.
const row = (one, job, page, part, changes) => {
  const at = (key) => `${t(key)} ${one.number}`;
  const [from, to] = [number(one.start_s, "from", at("from")), number(one.end_s, "to", at("to"))];
  const who = named(element("input", { type: "text", className: "who", value: one.speaker, maxLength: 60 }), at("who"));
  const text = one.told || one.said; // what is said by now, to be corrected in its place
  const said = named(element("textarea", { rows: 2, maxLength: 500, value: text, lang: job.languages[1] }), at("said"));
  said.disabled = !page.about.has_speller && job.values.road !== "text";
  said.placeholder = t(said.disabled ? "noText" : "sayInstead");
  const first = element("td", { className: "about" }, element("b", { textContent: `${one.number} ` }), `${clock(one.start_s)}–${clock(one.end_s)} `);
  if (part) first.append(named(button("play", () => part(one.output_start_s, one.output_end_s)), at("play")));
  const grade = one.left_alone ? "unknown" : (one.understood?.grade ?? "unknown");
  first.append(element("span", { className: `verdict ${grade}`, textContent: t(one.left_alone ? "left_alone" : `grade_${grade}`) }));
  first.append(element("details", {}, element("summary", { textContent: t("where") }), from, " – ", to, who));
  // Choosing what was said before puts it into its place again.
  const others = [...new Set(one.takes.map((take) => take.said))].filter((other) => other && other !== text);
  const takes = named(element("select", { hidden: !others.length }, new Option(t("takes"), ""), ...others.map((other) => new Option(other))), at("takes"));
  takes.addEventListener("change", () => {
    said.value = takes.value || text;
    said.dispatchEvent(new Event("input", { bubbles: true }));
  });
  const notes = [one.left_alone?.[language()], job.utterances.length > 1 ? why(one.understood) : ""].filter(Boolean);
  const made = element(
    "tr",
    {},
    first,
    cell(t("heard"), element("p", { lang: job.languages[0], textContent: one.heard || t("noText") })),
    cell(t("said"), said, takes, !page.about.has_speller ? "" : hearing(said, job.uploads.voice || job.uploads.video, page, at("hearIt")),
      ...notes.map((textContent) => element("p", { className: "quiet", textContent }))),
  );
  // What was not touched stays exactly as it was: a time that is rounded to be shown would be another one.
  const time = (input, before) => (input.value === seconds(before) ? before : Number(input.value));
  const now = () => ({
    start_s: time(from, one.start_s),
    end_s: time(to, one.end_s),
    said: [{ said: text, told: one.told }, ...one.takes].find((take) => take.said === said.value.trim())?.told ?? said.value.trim(),
    speaker: who.value.trim() === one.speaker ? one.named : who.value.trim(),
  });
  const changed = () => {
    const next = now();
    return next.start_s !== one.start_s || next.end_s !== one.end_s || next.said !== one.told || next.speaker !== one.named;
  };
  made.addEventListener("input", () => {
    made.classList.toggle("changed", changed());
    changes();
  });
  return { made, now, changed };
};

// The texts of a job in a table, and `rows()`: all of them where any was changed; `changes` is called with how many were.
export const texts = (job, page, part, changes) => {
  const tell = () => changes(rows.filter((one) => one.changed()).length);
  const rows = job.utterances.map((one) => row(one, job, page, part, tell));
  const heads = ["utterance", "heard", "said"].map((key) => element("th", { textContent: t(key), scope: "col" }));
  const root = element(
    "table",
    { className: "rows" },
    element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...rows.map((one) => one.made)),
  );
  return { root, rows: () => (rows.some((one) => one.changed()) ? rows.map((one) => one.now()) : null) };
};
