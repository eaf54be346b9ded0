// The review of a dub: its utterances in a table, each to be heard, corrected and dubbed anew; and its figures.
import { ask, figure, spoken } from "./jobs.js";
import { element, player } from "./player.js";
import { duration, language, t } from "./words.js";

const seconds = (value) => value.toFixed(2);
const share = (value) => (value === null ? "–" : `${Math.round(100 * value)}\u00a0%`);
// A mean log-probability as a share.
const sure = (value) => (value === null || value === undefined ? "–" : share(Math.exp(value)));

const cell = (label, ...children) => {
  const made = element("td", {}, ...children);
  made.dataset.label = label;
  return made;
};

// A cell whose content stays on one line.
const narrow = (label, ...children) => Object.assign(cell(label, ...children), { className: "narrow" });

const number = (value, name) => {
  const made = element("input", { type: "number", step: "0.01", min: "0", value: seconds(value), name });
  made.setAttribute("aria-label", name);
  return made;
};

// A button that says what a text field holds, in a voice, with the means to hear it again.
const hearing = (field, voice, page) => {
  const button = element("button", { type: "button", className: "hear", textContent: t("hearIt"), disabled: field.disabled });
  const room = element("div", {}, button);
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const src = await spoken(field.value, voice, (state) => (button.textContent = state));
      room.replaceChildren(button, element("audio", { src, controls: true, autoplay: true }));
    } catch (error) {
      page.complain(error.message);
    }
    button.textContent = t("hearIt");
    button.disabled = false;
  });
  return room;
};

// One row; `now()` is what it shall become, `changed()` whether that is anything new.
const row = (one, voice, page, show, changes) => {
  const [from, to] = [number(one.start_s, t("from")), number(one.end_s, t("to"))];
  const who = element("input", { type: "text", className: "who", value: one.speaker, maxLength: 60 });
  const text = one.told || one.said; // what is said by now, to be corrected in its place
  const said = element("textarea", { rows: 2, maxLength: 500, value: text, lang: "ko", disabled: !page.about.has_speller });
  said.placeholder = t("sayInstead");
  who.setAttribute("aria-label", `${t("who")} ${one.number}`);
  said.setAttribute("aria-label", `${t("said")} ${one.number}`);
  const play = element("button", { type: "button", textContent: t("play") });
  play.addEventListener("click", () => show(one.output_start_s, one.output_end_s));
  const notes = [one.left_alone?.[language()], one.notice?.[language()], one.unseen].filter(Boolean);
  const made = element(
    "tr",
    { className: one.trouble ? "trouble" : "" },
    narrow(t("number"), `${one.number} `, play),
    narrow(t("time"), from, " – ", to),
    cell(t("who"), who),
    cell(t("heard"), one.heard || t("noText")),
    cell(t("said"), said, hearing(said, voice, page)),
    narrow(t("sure"), `${sure(one.confidence)} / ${sure(one.score)}`),
    cell(t("fits"), one.left_alone ? t("left_alone") : share(one.fit), element("div", { className: "quiet", textContent: notes.join("; ") })),
  );
  // What was not touched stays exactly as it was: a time that is rounded to be shown would be another one.
  const time = (input, before) => (input.value === seconds(before) ? before : Number(input.value));
  const now = () => ({
    start_s: time(from, one.start_s),
    end_s: time(to, one.end_s),
    said: said.value.trim() === text ? one.told : said.value.trim(),
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

// Shows a dub's table in a room; page: {about, submit, complain}.
export const review = async (id, room, page) => {
  room.replaceChildren();
  if (!id) {
    room.append(element("p", { className: "quiet", textContent: t("noDubs") }));
    return;
  }
  const job = await ask(`/jobs/${id}`);
  const name = (is) => job.files.find(is)?.name;
  const [original, dub] = [name((one) => one.shows === "given" && one.name.startsWith("source")), name((one) => one.shows === "video")];
  const both = player(`/jobs/${id}/files/${original}`, `/jobs/${id}/files/${dub}`, job.stretches);
  const again = element("button", { type: "button", className: "main", id: "redub", textContent: t("again"), disabled: true });
  const count = element("span", { className: "quiet" });
  const rows = (job.utterances ?? []).map((one) => row(one, job.uploads.voice || job.uploads.video, page, both.part, () => tell()));
  const tell = () => {
    const number = rows.filter((one) => one.changed()).length;
    again.disabled = number === 0;
    count.textContent = number ? t("changed", number) : "";
  };
  again.addEventListener("click", () =>
    page.submit({
      kind: "dub",
      values: { ...job.values, ...job.uploads, preview: false },
      rows: rows.map((one) => one.now()),
      after: id,
    }),
  );
  const heads = ["number", "time", "who", "heard", "said", "sure", "fits"].map((key) => element("th", { textContent: t(key) }));
  const table = element(
    "table",
    { className: "rows" },
    element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...rows.map((one) => one.made)),
  );
  const notes = [];
  if (!page.about.has_speller) notes.push(t("noSpeller"));
  if (!job.is_recording) notes.push(t("shortClip"));
  const spoken = job.work?.speech;
  if (spoken) notes.push(t("kept", spoken.made, spoken.kept));
  room.append(
    element(
      "div",
      { className: "room" },
      both.root,
      ...notes.map((one) => element("p", { className: "quiet", textContent: one })),
      element("div", { className: "scroll" }, table),
      element("p", { className: "buttons" }, again, count),
    ),
  );
};

// The figures of a dub.
export const figures = async (id, room) => {
  room.replaceChildren();
  if (!id) {
    room.append(element("p", { className: "quiet", textContent: t("noDubs") }));
    return;
  }
  const job = await ask(`/jobs/${id}`);
  const one = job.figures;
  if (!one) return;
  const rows = [
    [`${one.dubbed} / ${one.utterances}`, "utterances"],
    [`${one.input_s.toFixed(1)} s, ${one.output_s.toFixed(1)} s`, "lasts"],
    [`${one.with_face} / ${one.pictures} (${one.mouth})`, "faces"],
    [one.hurried, "hurried"],
    [one.cut, "cut"],
    [one.outside, "outside"],
    [`${sure(one.confidence)} (${sure(one.usual_confidence)})`, "confidence"],
    [`${sure(one.score)} (${sure(one.usual_score)})`, "score"],
    [one.pitch_hz ? `${Math.round(one.pitch_hz)} Hz` : "–", "pitch"],
    [duration(one.took_s), "took"],
  ];
  room.append(element("ul", { className: "figures room" }, ...rows.map(([value, key]) => figure(String(value), t(key)))));
};
