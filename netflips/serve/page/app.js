// The page: tabs, forms, and the visitor's jobs under the tab that they belong to.
import { card } from "./jobs.js";
import { forgetOthers } from "./kept.js";
import { API, ask, button, element, percent, videoFigure, start, worded } from "./parts.js";
import { fileBox } from "./record.js";
import { choose, language, t, translate } from "./words.js";

const TABS = ["dub", "lips", "speak", "transcribe", "avatar"];
const MOUTHS = { auto: "auto", units: "mouthUnits", mesh: "mouthMesh", wav2lip: "mouthWav2lip", program: "mouthProgram", none: "mouthNone" };
const LANGUAGES = "en es fr it pt el ru cs da de fi hr hu lt nl pl ro sk sl ko".split(" ");
const MOST_SENTENCES = 8; // that are shown: as high as the form beside them
const LOST_MS = 3000;
const SILENT_MS = 4000; // the server sends a sign of life every 2 s
const notice = document.getElementById("notice");
const announced = document.getElementById("announced");
const known = document.getElementById("known");
const begun = document.getElementById("begun");
const agreement = document.getElementById("agreement");
for (const one of document.querySelectorAll("[data-agreed]")) one.before(agreement.content.cloneNode(true));

const complain = (text) => {
  notice.textContent = text;
  notice.hidden = !text;
  if (text) notice.scrollIntoView({ block: "nearest" });
};

const page = { about: {}, complain, isLost: false, moved: false, removed: new Set() };
// Whoever scrolls looks at something: a result that comes meanwhile does not take it away.
for (const event of ["wheel", "touchmove"]) addEventListener(event, () => (page.moved = true), { passive: true });

// Tabs: of those only that the models can serve

const can = (tab) => {
  const { about } = page;
  if (about.operator && tab === "speak") return false; // a sound alone has no place for a label
  if (tab === "speak") return about.has_speller;
  if (tab === "transcribe") return about.has_reader;
  return tab !== "avatar" || about.has_speller;
};

const open = (name) => {
  const wanted = TABS.includes(name) && can(name) ? name : "dub";
  for (const one of TABS) {
    const [tab, panel] = [document.getElementById(`tab-${one}`), document.getElementById(one)];
    tab.hidden = !can(one);
    tab.setAttribute("aria-selected", String(one === wanted));
    tab.tabIndex = one === wanted ? 0 : -1;
    panel.hidden = one !== wanted;
  }
};

const go = (name) => {
  if (location.hash !== `#${name}`) history.pushState(null, "", `#${name}`);
  if (!page.isLost) complain(""); // it was about the tab before
  open(name);
};

document.querySelector("nav").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const there = TABS.filter(can);
  const here = there.findIndex((one) => document.activeElement.id === `tab-${one}`);
  if (!step || here < 0) return;
  const next = there[(here + step + there.length) % there.length];
  go(next);
  document.getElementById(`tab-${next}`).focus();
});
for (const one of TABS) document.getElementById(`tab-${one}`).addEventListener("click", () => go(one));
for (const event of ["hashchange", "popstate"]) addEventListener(event, () => open(location.hash.slice(1)));

// Jobs

const place = (kind) => [...document.querySelectorAll(".jobs")].find((one) => one.dataset.kinds.split(" ").includes(kind));

const cards = new Map();
const last = new Map(); // the last news of each job: they may come before the answer that names the job

const add = (job) => {
  if (cards.has(job.id)) return;
  const made = card(job, page);
  for (const one of place(job.kind)?.children ?? []) cards.get(one.dataset.id)?.close(true); // the newest is seen
  cards.set(job.id, made);
  if (job.kind === "dub") begun.classList.add("folds");
  place(job.kind)?.prepend(made.root);
};

// Once there is a dub, the form for a new one waits folded above it.
const foldForm = () => {
  const isFirst = !place("dub").children.length;
  begun.open = isFirst;
  begun.classList.toggle("folds", !isFirst);
};
page.emptied = foldForm;

// What the title of the window says: how far a job is, and that one ended while nobody looked; then a notification says it, too,
// where the visitor allowed it by the button of a long job.
const entitle = (job) => {
  const mark = document.hidden && { done: "✓", asks: "✓", failed: "✗" }[job.state];
  document.title = job.state === "running" ? `${percent(job.share)} % – NetfLips` : mark ? `${mark} ${job.title} – NetfLips` : "NetfLips";
  if (mark && window.Notification?.permission === "granted") new Notification(document.title);
};
document.addEventListener("visibilitychange", () => /^[✓✗]/.test(document.title) && (document.title = "NetfLips"));

// One stream of news for all jobs: a browser keeps few connections open to one server.
const listen = () => {
  const news = new EventSource(`${API}/events`);
  let heard = performance.now();
  let looked = heard;
  const lose = () => {
    page.isLost = true;
    complain(t("lost"));
  };
  const hear = () => {
    heard = performance.now();
    if (page.isLost) complain("");
    page.isLost = false;
  };

  for (const name of ["open", "alive", "message"]) news.addEventListener(name, hear);
  news.addEventListener("message", (event) => {
    const now = JSON.parse(event.data);
    last.set(now.id, now);
    // One that was begun in another window; what is only said to be heard is gone in a moment.
    if (!cards.has(now.id) && now.state === "running" && now.kind !== "say" && !page.removed.has(now.id)) add(now);
    cards.get(now.id)?.show(now);
    entitle(now);
  });

  // A server that stands still, or a network that does, closes nothing: it only sends no sign of life any more.
  const watch = setInterval(() => {
    const now = performance.now();
    if (now - looked > LOST_MS) heard = now; // this page itself stood still, as one in the background does
    looked = now;
    if (news.readyState === EventSource.OPEN && now - heard > SILENT_MS) lose();
  }, 500);

  news.addEventListener("error", () => {
    setTimeout(() => news.readyState === EventSource.OPEN || lose(), LOST_MS);
    // A stream that was refused, because there are many, does not come back by itself.
    if (news.readyState !== EventSource.CLOSED) return;
    clearInterval(watch);
    setTimeout(listen, 10_000);
  });
};

page.tell = (text) => {
  announced.textContent = text;
};
page.showKnown = () => {
  begun.open = true;
  known.open = true;
  known.scrollIntoView({ block: "start" });
};
page.submit = async (form, boxes = []) => {
  complain("");
  try {
    const job = await start(await form);
    add(last.get(job.id) ?? job);
    known.open = false; // the result has its place
    if (job.kind === "dub") begun.open = false;
    for (const box of boxes) box.fold();
    place(job.kind)?.firstChild.scrollIntoView({ block: "nearest" });
    // A button has it, of a form or of the job before, or had it.
    if (document.activeElement.matches("body, button")) cards.get(job.id).title.focus({ preventScroll: true });
    return true;
  } catch (error) {
    if (error.status === 404) for (const box of boxes) box.forget();
    complain(error.message);
    return false;
  }
};

// What a video lacks, said before any work, and what can be done with it instead

// The lack of a video that counts for what is asked, "" = none.
const lack = (video, asked) => {
  if (asked.modalities !== "video" && !asked.subtitles && !asked.speech) {
    if (!video.has_sound) return "noSound";
    if (!video.has_speech) return "noSpeech";
  }
  return video.has_face || !video.width ? "" : asked.modalities === "video" ? "noLips" : "noFace";
};

// Offers in place of a dub that would disappoint; null = there is nothing to say. page: {about, other, readLips}; goOn: dubs all the same.
const offers = (video, asked, page, goOn) => {
  const found = lack(video, asked);
  if (!found) return null;

  const other = (key, kind, file) => button(key, () => page.other(kind, file, video));
  const lips = video.has_face ? [other("moveLips", "lipsync", "video")] : [];
  const speak = page.about.has_speller && !page.about.operator ? [other("sayText", "say")] : [];
  const write = page.about.has_reader ? [other("writeDown", "transcribe", "recording")] : [];

  const ways = {
    noSound: [...(video.has_face ? [button("readLips", page.readLips, "main")] : []), ...lips, ...speak],
    noSpeech: [...lips, ...speak, button("translateAnyway", goOn)],
    noFace: [button("soundAlone", goOn, "main"), ...write],
    noLips: speak,
  }[found];

  const isAll = video.has_face || !video.width || found === "noFace" || found === "noLips";
  const said = (isAll ? [found] : ["nobodySeen", found]).flatMap((key) => [worded(key, element("span")), " "]);
  const buttons = ways.map((one) => worded(one.dataset.act, one)); // another language finds them
  return element("div", { className: "offers" }, element("p", {}, ...said), element("p", { className: "buttons" }, ...buttons));
};

// Forms

const values = (form) => {
  const found = {};
  for (const one of form.querySelectorAll("select[name], textarea[name], input[name]")) {
    if (one.type === "checkbox") found[one.name] = one.checked;
    else found[one.name] = one.type === "range" ? Number(one.value) : one.value;
  }
  return found;
};

const offered = new Set(); // uploads whose lack was said
const forms = new Map(); // boxes of each form, by the kind of its jobs

// Another form, with a video that was sent already.
page.other = (kind, file, video) => {
  const form = document.querySelector(`form[data-kind=${kind}]`);
  go(form.closest("section").id);
  if (kind === "dub") begun.open = true;
  const box = forms.get(kind).find((one) => one.name === file);
  box?.take(null, video);
  form.querySelector("textarea, .file:last-of-type input")?.focus();
};

const prepare = (form) => {
  const boxes = [...form.querySelectorAll(".file")].map((box) => fileBox(box, page.about, complain));
  forms.set(form.dataset.kind, boxes);
  const ask = form.querySelector("button.main");
  let isBusy = false;

  page.readLips = () => {
    document.querySelector("#dub select[name=modalities]").value = "video";
    document.querySelector("#dub .offers")?.remove();
    if (forms.get("dub").find((one) => one.name === "voice").has()) document.querySelector("#dub form").requestSubmit();
    else complain(t("voiceFirst"));
  };

  form.onsubmit = async (event) => {
    event.preventDefault();
    if (isBusy) return;
    const buttons = [...form.querySelectorAll("button")];
    const pressed = form.querySelector(".aloud button") ?? event.submitter ?? ask; // the one that is seen

    complain("");
    form.querySelector(".offers")?.remove();
    const focused = document.activeElement; // it stays where the focus is
    for (const one of buttons) one.disabled = one !== focused;
    pressed.setAttribute("aria-disabled", "true");
    isBusy = true;

    const aborts = new AbortController();
    const abort = element("button", { type: "button", textContent: t("stop"), className: "abort", hidden: true });
    abort.dataset.t = "stop";
    abort.addEventListener("click", () => aborts.abort());
    (form.querySelector(".aloud") ?? pressed).after(abort);
    pressed.textContent = t("starting");

    try {
      const wanted = values(form);
      for (const box of boxes) {
        wanted[box.name] = await box.upload((share) => {
          abort.hidden = share >= 1;
          pressed.textContent = share < 1 ? t("sending", Math.round(100 * share)) : t("looking");
        }, aborts.signal);
      }
      const sent = form.dataset.kind === "dub" && !offered.has(wanted.video) && boxes[0].facts();
      const offer = sent && offers(sent, wanted, page, () => form.requestSubmit(ask));
      if (offer) {
        if (wanted.modalities !== "video" && sent.has_sound) offered.add(sent.id);
        ask.closest(".buttons").after(offer);
        offer.querySelector("button")?.focus();
        page.tell(offer.firstChild.textContent);
      } else await page.submit({ kind: form.dataset.kind, values: wanted }, boxes);
    } catch (error) {
      complain(error.message);
    }

    abort.remove();
    isBusy = false;
    pressed.removeAttribute("aria-disabled");
    for (const one of buttons) one.disabled = false;
    pressed.textContent = t(pressed.dataset.t);
  };
};

// The models in words: what they know, and where that is all, what one may say.
const models = (names) => {
  const { bundle, models: given, languages, sentences } = page.about;
  const pair = languages ? t("pair", names.of(languages[0]), names.of(languages[1])) : "";
  const knows = bundle?.name === "the demo bundle" ? t("demoKnows", bundle.knows.match(/[\d,]+/)?.[0] ?? "") : bundle ? t("knows", bundle.name, bundle.knows) : "";
  const line = knows || (given.length ? t("given", given.join(", ")) : t("noModels"));
  document.getElementById("models").textContent = [pair, page.about.has_cascade && t("cascade"), line].filter(Boolean).join(" · ");

  known.hidden = !sentences.length;
  known.replaceChildren(element("summary", { textContent: t("knownLead") }));

  const { sample } = page.about;
  if (sample) {
    const [one, other] = [videoFigure("/sample/example.mp4", sample.recognized), videoFigure("/sample/example.ko.mp4", sample.spoken)];
    known.append(element("p", { textContent: t("sampleLead") }), element("div", { className: "pair" }, one.figure, other.figure));
  }

  const rows = sentences.slice(0, MOST_SENTENCES).map(([say, becomes]) =>
    element("li", {}, element("span", { lang: "en", textContent: say }), " ", element("span", { className: "quiet", lang: "ko", textContent: becomes })),
  );
  known.append(element("p", { textContent: t("sentences") }), element("ul", { className: "sentences" }, ...rows));

  const asked = sentences.filter(([say]) => say.endsWith("?")).map(([say]) => element("li", { lang: "en", textContent: say }));
  document.getElementById("questions").replaceChildren(...(asked.length ? [t("questions"), element("ul", { className: "sentences" }, ...asked)] : []));
};

const fill = () => {
  translate(document);
  document.documentElement.lang = language();
  const names = new Intl.DisplayNames([language()], { type: "language" });
  const choices = page.about.languages ?? LANGUAGES;

  for (const select of document.querySelectorAll("[data-languages]")) {
    const before = select.value;
    select.replaceChildren(new Option(t("auto"), "auto"), ...choices.map((one) => new Option(names.of(one), one)));
    select.value = before || "auto";
  }

  for (const one of document.querySelectorAll("[data-choice]")) one.hidden = page.about.languages?.length === 2; // there is none
  for (const one of document.querySelectorAll("[data-cascade]")) {
    one.hidden = !page.about.has_cascade;
    if (one.hidden) one.firstElementChild.nextElementSibling.value = "units";
  }

  for (const select of document.querySelectorAll("[data-mouths]")) {
    const before = select.value;
    const mouths = [...page.about.mouths, ...(select.closest("#dub") ? ["none"] : [])]; // the sound alone can be dubbed
    select.replaceChildren(...mouths.map((name) => new Option(name in MOUTHS ? t(MOUTHS[name]) : name, name)));
    select.value = before || "auto";
  }

  const { voices } = page.about;
  const called = document.querySelector("[data-called]");
  called.hidden = !voices.length;
  const before = called.lastElementChild.value;
  called.lastElementChild.replaceChildren(...voices.map((name) => new Option(name.replace(/^(woman|man)/, (word) => t(word)), name)));
  called.lastElementChild.value = before || (voices[0] ?? "");
  document.querySelector("#speak [data-file=voice]").dataset.none = voices.length ? "calledVoice" : "neutralVoice";

  for (const area of document.querySelectorAll("textarea:not([placeholder])")) area.placeholder = page.about.sentences[0]?.[1] ?? "";

  const { operator } = page.about;
  for (const one of document.querySelectorAll("[data-operator]")) one.hidden = Boolean(operator) !== (one.dataset.operator === "yes");
  document.getElementById("operator").hidden = !operator;
  document.getElementById("operator").textContent = operator ? t("operator", operator) : "";

  models(names);
  const { limit_bytes: bytes, longest_s: longest, keep_s: keep } = page.about;
  document.getElementById("limits").textContent = t("limits", Math.round(bytes / 2 ** 20), Math.round(longest / 60), Math.round(keep / 3600));

  // The vocoder of the demo knows one voice and moves its pitch.
  page.ownVoice = page.about.bundle?.name === "the demo bundle" ? "builtInVoice" : "ownVoice";
  document.querySelector("#dub [data-file=voice]").dataset.none = page.ownVoice === "ownVoice" ? "no_voice" : page.ownVoice;
};

const show = async () => {
  for (const one of document.querySelectorAll(".jobs")) one.replaceChildren();
  cards.clear();
  const { jobs } = await ask("/jobs");
  forgetOthers(jobs.map((job) => job.id));
  for (const job of jobs.reverse()) add(job);
  foldForm();
};

const labels = document.getElementById("labels");
labels.value = language();
labels.addEventListener("change", async () => {
  choose(labels.value);
  fill();
  complain(page.isLost ? t("lost") : ""); // it was in the other language
  await show();
});

try {
  page.about = await ask("/about");
  fill();
  for (const form of document.querySelectorAll("form")) prepare(form);
  open(location.hash.slice(1));
  await show();
  listen();
  document.body.dataset.ready = "yes";
} catch (error) {
  complain(error.message);
}
