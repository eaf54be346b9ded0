// The files of a form: chosen, dropped, recorded with camera or microphone, or the example that the server has.
import { example, send } from "./jobs.js";
import { element } from "./player.js";
import { t } from "./words.js";

const ACCEPT = { video: "video/*,.mkv,.avi,.ts,.mts,.flv", sound: "audio/*,video/*", media: "audio/*,video/*,.mkv,.ts", picture: "image/*", subtitles: ".srt,.vtt,.ass,.ssa,.smi,.sami" };
const KINDS = { video: ["video/webm;codecs=vp8,opus", "video/webm", "video/mp4"], audio: ["audio/webm;codecs=opus", "audio/webm", "audio/mp4"] };

// Records until the button is pressed again; words: what it says before and meanwhile.
const recorder = (wanted, button, words, take, complain) => {
  let running = null;
  button.addEventListener("click", async () => {
    if (running) {
      running.stop();
      return;
    }
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: wanted === "video" });
      const type = KINDS[wanted].find((one) => MediaRecorder.isTypeSupported(one)) ?? "";
      const parts = [];
      running = new MediaRecorder(stream, type ? { mimeType: type } : {});
      running.addEventListener("dataavailable", (event) => parts.push(event.data));
      running.addEventListener("stop", () => {
        for (const track of stream.getTracks()) track.stop();
        running = null;
        button.textContent = t(words[0]);
        take(new File(parts, type.includes("mp4") ? "recording.mp4" : "recording.webm", { type }));
      });
      running.start();
      button.textContent = t(words[1]);
    } catch (error) {
      running = null;
      complain(`${t("noCamera")}: ${error.message ?? error}`);
    }
  });
};

// Fills a box of the form; `upload()` gives the id of what was chosen, "" for nothing.
export const fileBox = (box, examples, complain) => {
  const { file: name, as, record, optional } = box.dataset;
  const isGiven = box.dataset.default === "example" && examples.includes(as);
  const none = t(isGiven ? "theExample" : "choose");
  const input = element("input", { type: "file", accept: ACCEPT[as] });
  input.id = `file-${Math.random().toString(36).slice(2)}`;
  const title = element("label", { htmlFor: input.id }, element("b", { textContent: t(name) }));
  const chosen = element("p", { className: "chosen quiet", textContent: none });
  const buttons = element("p", { className: "buttons" });
  const shown = element("div");
  let file = null;
  let upload = null; // what the server made of it, kept so that the same file is sent once
  let isExample = isGiven;
  const take = (given, sent = null) => {
    file = given;
    upload = sent;
    isExample = sent !== null || (isGiven && !given);
    const size = given ? ` (${(given.size / 2 ** 20).toFixed(1)} MB)` : "";
    chosen.textContent = given ? `${given.name}${size}` : (sent?.name ?? none);
    shown.replaceChildren();
    if (given && as !== "picture" && as !== "subtitles" && given.size < 2 ** 28) {
      const media = element(given.type.startsWith("audio") ? "audio" : "video", { src: URL.createObjectURL(given), controls: true });
      shown.append(media);
    }
  };
  input.addEventListener("change", () => take(input.files[0] ?? null));
  box.addEventListener("dragover", (event) => {
    event.preventDefault();
    box.classList.add("over");
  });
  box.addEventListener("dragleave", () => box.classList.remove("over"));
  box.addEventListener("drop", (event) => {
    event.preventDefault();
    box.classList.remove("over");
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
  if (record && navigator.mediaDevices) {
    const form = box.closest("form");
    const aloud = form.querySelector(".aloud"); // one large button: the question goes off when it is said
    const words = aloud ? ["askAloud", "askNow"] : ["record", "stopRecording"];
    const button = element("button", { type: "button", className: aloud ? "record main" : "record", textContent: t(words[0]) });
    recorder(record, button, words, (given) => (take(given), aloud && form.requestSubmit(form.querySelector("button.ask"))), complain);
    (aloud ?? buttons).replaceChildren(button);
  } else if (record) {
    for (const one of box.closest("form").querySelectorAll("details")) one.open = one.open || !!one.querySelector(".ask");
  }
  if (examples.includes(as)) {
    const button = element("button", { type: "button", className: "example", textContent: t("example") });
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        take(null, await example(as));
      } catch (error) {
        complain(error.message);
      }
      button.disabled = false;
    });
    buttons.append(button);
  }
  box.replaceChildren(title, input, chosen, shown, buttons);
  return {
    name,
    take,
    // It was removed from the server, with the job that had it.
    forget() {
      upload = null;
    },
    async upload(progress) {
      if (!upload && file) upload = await send(file, as, progress);
      if (!upload && isExample) take(null, await example(as));
      if (!upload && !optional) throw new Error(`${t(name)}: ${t("choose")}`);
      return upload?.id ?? "";
    },
  };
};
