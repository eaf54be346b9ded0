// What all of the page is made of: answers of the server, elements and buttons, and a result beside its original.
import { duration, language, t } from "./words.js";

export const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

// An element that says a word, also after the language of the page is changed.
export const worded = (key, made) => {
  made.dataset.t = key;
  made.textContent = t(key);
  return made;
};

// act: gets the button.
export const button = (key, act, className = "") => {
  const made = element("button", { type: "button", className, textContent: t(key) });
  made.dataset.act = key;
  made.addEventListener("click", () => act(made));
  return made;
};

// What has no words of its own is named for those who do not see it.
export const named = (made, name) => {
  made.setAttribute("aria-label", name);
  return made;
};

// A small button with a picture: path, in a square of 16. Its word is there for those who cannot see it, or point at it.
export const iconButton = (key, path, act, className = "") => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  line.setAttribute("d", path);
  svg.append(line);
  const made = button(key, act, `icon ${className}`.trim());
  made.title = t(key);
  made.replaceChildren(svg, element("span", { className: "unseen", textContent: t(key) }));
  return made;
};

// Shows at once that a button was pressed, until its work is done; tells what goes wrong.
export const press = async (pressed, page, work, word = "starting") => {
  const said = pressed.textContent;
  pressed.disabled = true;
  pressed.textContent = t(word);
  try {
    await work();
  } catch (error) {
    page.complain(error.message);
  }
  pressed.textContent = said;
  pressed.disabled = false;
};

// What a job does just now, in words.
const STAGES = {
  listen: "hearing", hear: "hearing", measure: "hearing", "encoder layers": "hearing", units: "hearing", transcribe: "hearing", read: "hearing", cuts: "facing", faces: "facing",
  look: "facing", "lip frames": "facing", translate: "translating", speech: "speaking", texts: "writing", check: "checking", lips: "drawing", mouths: "drawing", frames: "drawing", portrait: "drawing",
  loudness: "mixing", "stills before": "reporting", "stills after": "reporting",
};

// A draft speaks nothing: what it does there is to write its texts.
export const stageText = (job) => {
  if (job.is_draft && job.stage === "speech") return t("writing");
  return job.stage in STAGES ? t(STAGES[job.stage]) : "";
};

// 100 % is only what is done.
export const percent = (share) => Math.min(99, Math.round(100 * share));

// What is left (s) of what was told some seconds ago; 0 = unknown, for nothing more was told for long.
const leftNow = (left, age) => (age > Math.max(3, left / 2) ? 0 : left - age);

// age: seconds since its facts were told.
export const stateText = (job, age = 0) => {
  if (job.state === "waiting") return job.place > 1 ? t("waiting", job.place) : t("next");
  if (job.state === "done") return t("done", duration(Math.max(1, job.took_s)));
  if (job.state === "asks") return t("asks");
  if (job.state !== "running") return t(job.state);
  if (!job.stage) return t("starting");
  const seconds = leftNow(job.left_s ?? 0, age);
  const left = seconds >= 1 ? `, ${t("left", duration(seconds))}${job.is_slow ? ` (${t("slow")})` : ""}` : "";
  return `${stageText(job)} ${t("running", percent(job.share))}${left}`.trim();
};

// Asking the server

// What the server complains of, in the language of the page.
export const complaint = (content) => (language() === "ko" ? content?.error_ko : content?.error);

// Where the server's JSON API begins: docs/api_http.md.
export const API = "/api/v1";

// An answer of the API as JSON; an error is its one line.
export const ask = async (address, options = {}) => {
  let answer;
  try {
    answer = await fetch(`${API}${address}`, options);
  } catch {
    throw new Error(t("lost"));
  }
  const content = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(complaint(content) ?? `${answer.status}`), { status: answer.status });
  return content;
};

export const sent = (content) => ({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) });

export const example = (as) => ask(`/example?as=${as}`, { method: "POST" });
export const edited = (id, edits) => ask(`/jobs/${id}/edited`, sent({ edits }));
export const start = (form) => ask("/jobs", sent(form));

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
    if (job.state !== "done") throw new Error(complaint(job) || t(job.state));
    return URL.createObjectURL(await (await fetch(`${API}/jobs/${id}/files/result.wav`)).blob());
  } finally {
    await ask(`/jobs/${id}`, { method: "DELETE" }).catch(() => {});
  }
};

// What the server says of a file. isRefused: it will never take it, as one that is too large or no video.
const refused = ({ response, status }) => Object.assign(new Error(complaint(response) ?? `${status}`), { isRefused: [413, 415].includes(status) });

// Sends a file; progress: called with the share that is sent. signal: of an AbortController, stops it.
export const send = (file, as, progress, signal) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${API}/uploads?${new URLSearchParams({ name: file.name, as })}`);
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => event.lengthComputable && progress(event.loaded / event.total));
    request.addEventListener("load", () =>
      request.status < 300 ? resolve(request.response) : reject(refused(request)),
    );
    request.addEventListener("error", () => reject(new Error(t("lost"))));
    request.addEventListener("abort", () => reject(new Error(t("sendingStopped"))));
    signal?.addEventListener("abort", () => request.abort());
    progress(0);
    request.send(file);
  });

const IS_SOUND = /\.(m4a|mp3|wav|flac|ogg|opus|aac)$/;

export const videoFigure = (address, title) => {
  const video = element(IS_SOUND.test(address) ? "audio" : "video", { src: `${address}#t=0.05`, preload: "metadata", playsInline: true, controls: true });
  video.setAttribute("aria-label", title);
  return { video, figure: element("figure", {}, video, element("figcaption", { textContent: title })) };
};
