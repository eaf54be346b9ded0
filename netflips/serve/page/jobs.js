// Jobs: what is asked of the server, and how a job and its result are shown.
import { element, player } from "./player.js";
import { duration, language, t } from "./words.js";

// An answer of the server as JSON; an error is its one line.
export const ask = async (address, options = {}) => {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Error(t("lost"));
  }
  const content = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(content.error ?? `${answer.status}`), { status: answer.status });
  return content;
};

const post = (address, content) =>
  ask(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content ?? {}) });

export const example = (as) => ask(`/example?as=${as}`, { method: "POST" });
export const start = (form) => post("/jobs", form);

// Waits until a job is over; news: called with its facts on the way.
const ended = async (id, news) => {
  for (;;) {
    const job = await ask(`/jobs/${id}`);
    if (!["waiting", "running"].includes(job.state)) return job;
    news(job);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
};

// A text as it sounds in the voice of an upload; the job that says it is not kept.
export const spoken = async (text, voice, news) => {
  const { id } = await start({ kind: "say", values: { text, voice } });
  try {
    const job = await ended(id, (now) => news(stateText(now)));
    if (job.state !== "done") throw new Error(job.error || t(job.state));
    return URL.createObjectURL(await (await fetch(`/jobs/${id}/files/result.wav`)).blob());
  } finally {
    await ask(`/jobs/${id}`, { method: "DELETE" }).catch(() => {});
  }
};

// Sends a file; progress: called with the share that is sent.
export const send = (file, as, progress) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/uploads?${new URLSearchParams({ name: file.name, as })}`);
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => event.lengthComputable && progress(event.loaded / event.total));
    request.addEventListener("load", () =>
      request.status < 300 ? resolve(request.response) : reject(new Error(request.response?.error ?? `${request.status}`)),
    );
    request.addEventListener("error", () => reject(new Error(t("lost"))));
    request.send(file);
  });

const button = (key, act, className = "") => {
  const made = element("button", { type: "button", className, textContent: t(key) });
  made.dataset.act = key;
  made.addEventListener("click", act);
  return made;
};

const link = (address, text, isDownload) => {
  const made = element("a", { href: address, textContent: text });
  if (isDownload) made.download = "";
  else made.target = "_blank";
  return made;
};

export const figure = (value, label) => element("li", {}, element("b", { textContent: value }), element("span", { textContent: label }));

const stateText = (job) => {
  if (job.state === "waiting") return t("waiting", job.place);
  if (job.state === "done") return t("done", duration(job.took_s));
  if (job.state !== "running") return t(job.state);
  if (!job.stage) return t("starting");
  const left = job.left_s === null ? "" : `, ${t("left", duration(job.left_s))}`;
  return `${t("running", Math.round(100 * job.share))}${left}`;
};

// How much of a job is understood, in a sentence; amber where that is little.
const understood = (job) => {
  const found = job.understood ?? {};
  if (!found.words) return [];
  const className = ["bad", "doubtful"].includes(found.grade) ? "warning" : "quiet";
  return [element("p", { className, lang: language(), textContent: found.words[language()] ?? found.words.en })];
};

// What came out of a job, by the kinds of its files.
const outcome = (job, page) => {
  const address = (name) => `/jobs/${job.id}/files/${name}`;
  const shows = (what) => job.files.find((one) => one.shows === what);
  const made = element("div", { className: "outcome" }, ...understood(job));
  const video = shows("video");
  const original = job.files.find((one) => one.shows === "given" && one.name.startsWith("source"));
  if (video && original) {
    made.append(player(address(original.name), address(video.name), job.stretches ?? [[0, 1e6, 0]]).root);
  } else if (video) {
    const shown = element("video", { src: address(video.name), controls: true, playsInline: true, autoplay: job.kind === "avatar" });
    made.append(job.kind === "avatar" ? answered(job, shown) : shown);
  }
  const sound = shows("sound");
  if (sound) made.append(element("audio", { src: address(sound.name), controls: true }));
  const text = shows("figures") ? measured(job.text) : job.text;
  if (job.kind === "figures") made.append(...table(text ?? ""));
  else if (text !== undefined && job.kind !== "avatar") made.append(element("pre", { textContent: text }));
  for (const one of job.warnings) made.append(element("p", { className: "warning", textContent: one[language()] }));
  const buttons = element("p", { className: "buttons" });
  if (shows("page")) buttons.append(link(address(shows("page").name), t("openReport")));
  for (const one of job.files.filter((one) => !["given", "page"].includes(one.shows) && !one.name.endsWith("report.json"))) {
    buttons.append(link(`${address(one.name)}?download=1`, `${t("download")} ${one.name.replace(/^result\./, "")}`, true));
  }
  if (job.kind === "dub") buttons.append(link(`/jobs/${job.id}/project.zip`, t("project"), true));
  if (job.kind === "dub" && job.values.preview) {
    buttons.append(button("dubAll", () => page.submit({ kind: "dub", values: { ...job.values, ...job.uploads, preview: false } }), "main"));
  } else if (job.kind === "dub") {
    buttons.append(button("toReview", () => page.review(job.id)));
  }
  made.append(buttons);
  return made;
};

// The face, and the answer as text beside it.
const answered = (job, video) => {
  const again = button("repeat", () => {
    video.currentTime = 0;
    video.play().catch(() => {});
  }, "main");
  const said = JSON.parse(job.text ?? "{}");
  const heard = element("p", { className: "quiet", textContent: `${t("heard")}: ${said.heard || "–"}` });
  const puzzled = said.outcome === "not understood" ? [element("p", { className: "warning", textContent: t("puzzled") })] : [];
  const answer = element("p", { className: "answer", lang: "ko", textContent: said.answer ?? "" });
  const words = element("div", {}, ...puzzled, answer, again, heard, ...understood(said));
  return element("div", { className: "pair answered" }, video, words);
};

// What `evaluate dub` prints: lines, and a table whose cells stand between bars.
const table = (text) => {
  const lines = text.split("\n").filter((line) => line.trim());
  const [head, , ...rows] = lines.filter((line) => line.startsWith("|")).map((line) => line.split("|").slice(1, -1).map((one) => one.trim()));
  const notes = lines.filter((line) => !line.startsWith("|")).join("\n");
  const made = element("pre", { textContent: notes });
  if (!head) return [made];
  const line = (cells, kind) => element("tr", {}, ...cells.map((one) => element(kind, { textContent: one })));
  const body = element("tbody", {}, ...rows.map((cells) => line(cells, "td")));
  const whole = element("table", { className: "measured" }, element("thead", {}, line(head, "th")), body);
  return [element("div", { className: "scroll" }, whole), made];
};

// Lines of `evaluate sync`.
const measured = (text) => {
  if (text === undefined) return undefined;
  const rows = text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const line = (row) =>
    `${row.from_s.toFixed(2)}..${row.to_s.toFixed(2)}: ${row.confidence.toFixed(3)}, ${row.distance.toFixed(3)}, ${row.offset}`;
  return [t("lseHead"), ...rows.map(line)].join("\n");
};

// The card of a job: its root, and `show` for news of it. page: {about, complain, submit, review, finished}.
export const card = (facts, page) => {
  const root = element("article", { className: "job" });
  root.dataset.id = facts.id;
  const state = element("span", { className: "state" });
  const bar = element("progress", { max: 1, value: 0 });
  bar.setAttribute("aria-label", facts.title);
  const room = element("div");
  const buttons = element("p", { className: "buttons" });
  root.append(element("header", {}, element("h3", { textContent: facts.title }), state, buttons), bar, room);

  const act = (address, options) => async () => {
    try {
      const now = await ask(address, options);
      if (options.method === "DELETE") {
        root.remove();
        page.finished();
      } else {
        show(now);
      }
    } catch (error) {
      page.complain(error.message);
    }
  };

  const over = async (job) => {
    if (job.state === "asks") {
      room.replaceChildren(element("div", { className: "outcome" }, ...understood(job), element("p", { textContent: t("askGoOn") })));
      return;
    }
    const whole = await ask(`/jobs/${job.id}`).catch(() => null);
    if (!whole) return;
    if (whole.error) room.replaceChildren(element("p", { className: "error", textContent: whole.error }));
    else room.replaceChildren(...(whole.state === "done" ? [outcome(whole, page)] : []));
  };

  const show = (job) => {
    const goes = job.state === "running" || job.state === "waiting";
    const isOther = root.dataset.state !== job.state;
    const went = ["running", "waiting"].includes(root.dataset.state);
    root.dataset.state = job.state;
    root.dataset.share = job.share;
    state.textContent = stateText(job);
    state.className = `state ${job.state} ${job.understood?.grade ?? ""}`;
    bar.hidden = !goes;
    bar.value = job.share;
    if (!isOther) return; // a button that is pressed just now stays the same one
    buttons.replaceChildren(
      ...(job.state === "asks" ? [button("goOnAnyway", act(`/jobs/${job.id}/again`, { method: "POST" }), "main")] : []),
      ...(goes || job.state === "asks" ? [button("stop", act(`/jobs/${job.id}/stop`, { method: "POST" }), "stop")] : []),
      ...(job.state === "stopped" || job.state === "failed" ? [button("goOn", act(`/jobs/${job.id}/again`, { method: "POST" }))] : []),
      ...(goes ? [] : [button("remove", act(`/jobs/${job.id}`, { method: "DELETE" }))]),
    );
    if (goes) room.replaceChildren();
    else over(job).then(() => went && page.finished());
  };

  show(facts);
  return { root, show };
};
