// The page: tabs, forms, and the visitor's jobs under the tab that they belong to.
import { ask, card, start } from "./jobs.js";
import { fileBox } from "./record.js";
import { figures, review } from "./review.js";
import { choose, language, t, translate } from "./words.js";

const TABS = ["dub", "review", "lips", "speak", "transcribe", "measure", "avatar"];
const MOUTHS = { auto: "auto", units: "mouthUnits", mesh: "mouthMesh", wav2lip: "mouthWav2lip" };
const LANGUAGES = "en es fr it pt el ru cs da de fi hr hu lt nl pl ro sk sl ko".split(" ");
const notice = document.getElementById("notice");
let jobs = [];

const complain = (text) => {
  notice.textContent = text;
  notice.hidden = !text;
  if (text) notice.scrollIntoView({ block: "nearest" });
};

const page = { about: {}, complain };

// Tabs

const open = (name) => {
  const wanted = TABS.includes(name) ? name : "dub";
  for (const one of TABS) {
    const [tab, panel] = [document.getElementById(`tab-${one}`), document.getElementById(one)];
    tab.setAttribute("aria-selected", String(one === wanted));
    tab.tabIndex = one === wanted ? 0 : -1;
    panel.hidden = one !== wanted;
  }
  if (location.hash !== `#${wanted}`) history.replaceState(null, "", `#${wanted}`);
};

document.querySelector("nav").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const here = TABS.findIndex((one) => document.activeElement.id === `tab-${one}`);
  if (!step || here < 0) return;
  const next = TABS[(here + step + TABS.length) % TABS.length];
  open(next);
  document.getElementById(`tab-${next}`).focus();
});
for (const one of TABS) document.getElementById(`tab-${one}`).addEventListener("click", () => open(one));
addEventListener("hashchange", () => open(location.hash.slice(1)));

// Jobs

const place = (kind) => [...document.querySelectorAll(".jobs")].find((one) => one.dataset.kinds.split(" ").includes(kind));

const cards = new Map();
const told = new Map(); // the last news of each job: they may come before the answer that names the job

const add = (job) => {
  const made = card(job, page);
  cards.set(job.id, made);
  place(job.kind)?.prepend(made.root);
};

// One stream of news for all jobs: a browser keeps few connections open to one server.
const listen = () => {
  const news = new EventSource("/events");
  news.addEventListener("message", (event) => {
    const now = JSON.parse(event.data);
    told.set(now.id, now);
    cards.get(now.id)?.show(now);
  });
  // A stream that was refused, because there are many, does not come back by itself.
  news.addEventListener("error", () => news.readyState === EventSource.CLOSED && setTimeout(listen, 10_000));
};

const dubs = () => jobs.filter((one) => one.kind === "dub" && one.state === "done");

// The lists of finished dubs; what was chosen stays chosen.
const list = async (chosen) => {
  jobs = (await ask("/jobs")).jobs;
  for (const [name, show] of [["reviewed", (id) => review(id, document.getElementById("review-room"), page)],
    ["measured", (id) => figures(id, document.getElementById("measure-room"))]]) {
    const select = document.getElementById(name);
    const before = chosen ?? select.value;
    const found = dubs();
    select.replaceChildren(...found.map((one) => new Option(`${one.title} (${one.id.slice(0, 4)})`, one.id)));
    const kept = found.some((one) => one.id === before) ? before : (found[0]?.id ?? "");
    const isOther = select.dataset.shown !== kept || chosen;
    select.value = kept;
    select.dataset.shown = kept;
    select.onchange = () => {
      select.dataset.shown = select.value;
      show(select.value).catch((error) => complain(error.message));
    };
    if (isOther) await show(kept).catch((error) => complain(error.message));
  }
};

page.finished = () => list().catch(() => {});
page.review = (id) => {
  open("review");
  list(id).catch((error) => complain(error.message));
};
page.submit = async (form, boxes = []) => {
  complain("");
  try {
    const job = await start(form);
    add(told.get(job.id) ?? job);
    if (form.kind === "dub") open("dub");
    place(job.kind)?.firstChild.scrollIntoView({ block: "nearest" });
  } catch (error) {
    if (error.status === 404) for (const box of boxes) box.forget();
    complain(error.message);
  }
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

const prepare = (form) => {
  const boxes = [...form.querySelectorAll(".file")].map((box) => fileBox(box, page.about.examples, complain));
  form.onsubmit = async (event) => {
    event.preventDefault();
    const isPreview = event.submitter?.name === "preview";
    const buttons = [...form.querySelectorAll("button")];
    const told = form.querySelector(".aloud button") ?? event.submitter; // the one that is seen
    const said = told?.textContent;
    complain("");
    for (const one of buttons) one.disabled = true;
    try {
      const wanted = values(form);
      for (const box of boxes) {
        wanted[box.name] = await box.upload((share) => {
          told.textContent = share < 1 ? t("sending", Math.round(100 * share)) : t("looking");
        });
      }
      if (form.dataset.kind === "dub") wanted.preview = isPreview;
      await page.submit({ kind: form.dataset.kind, values: wanted }, boxes);
    } catch (error) {
      complain(error.message);
    }
    for (const one of buttons) one.disabled = false;
    if (told) told.textContent = said;
  };
};

const fill = () => {
  translate(document);
  document.documentElement.lang = language();
  const names = new Intl.DisplayNames([language()], { type: "language" });
  const known = page.about.languages ?? LANGUAGES;
  for (const select of document.querySelectorAll("[data-languages]")) {
    const before = select.value;
    select.replaceChildren(new Option(t("byModels"), "auto"), ...known.map((one) => new Option(names.of(one), one)));
    select.value = before || "auto";
  }
  for (const select of document.querySelectorAll("[data-mouths]")) {
    const before = select.value;
    select.replaceChildren(...page.about.mouths.map((name) => new Option(name in MOUTHS ? t(MOUTHS[name]) : name, name)));
    select.value = before || "auto";
  }
  for (const one of document.querySelectorAll("[data-needs]")) one.hidden = Boolean(page.about[one.dataset.needs]);
  for (const one of document.querySelectorAll("[data-needs-kind]")) one.hidden = page.about.kinds.includes(one.dataset.needsKind);
  for (const one of document.querySelectorAll("[data-only-kind]")) one.hidden = !page.about.kinds.includes(one.dataset.onlyKind);
  document.getElementById("limits").textContent = t(
    "limits", Math.round(page.about.limit_bytes / 2 ** 20), Math.round(page.about.longest_s / 60), Math.round(page.about.keep_s / 360) / 10,
  );
  for (const form of document.querySelectorAll("form[data-kind]")) prepare(form);
};

document.getElementById("evaluate").addEventListener("click", () =>
  page.submit({ kind: "figures", values: {}, after: document.getElementById("measured").value }),
);

const labels = document.getElementById("labels");
labels.value = language();
labels.addEventListener("change", async () => {
  choose(labels.value);
  fill();
  await show();
});

const show = async () => {
  for (const one of document.querySelectorAll(".jobs")) one.replaceChildren();
  cards.clear();
  for (const select of [document.getElementById("reviewed"), document.getElementById("measured")]) select.dataset.shown = "none";
  await list();
  for (const job of [...jobs].reverse()) add(job);
};

try {
  page.about = await ask("/about");
  fill();
  open(location.hash.slice(1));
  await show();
  listen();
  document.body.dataset.ready = "yes";
} catch (error) {
  complain(error.message);
}
