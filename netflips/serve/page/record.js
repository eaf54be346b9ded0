// The files of a form: chosen, dropped, recorded with camera or microphone, or the example that the server has.
import { example, send } from "./jobs.js";
import { element } from "./player.js";
import { t } from "./words.js";

const ACCEPT = { video: "video/*,.mkv,.avi,.ts,.mts,.flv", sound: "audio/*,video/*", media: "audio/*,video/*,.mkv,.ts", picture: "image/*" };
const KINDS = { video: ["video/webm;codecs=vp8,opus", "video/webm", "video/mp4"], audio: ["audio/webm;codecs=opus", "audio/webm", "audio/mp4"] };

// Records until the button is pressed again.
const recorder = (wanted, button, take, complain) => {
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
        button.textContent = t("record");
        take(new File(parts, type.includes("mp4") ? "recording.mp4" : "recording.webm", { type }));
      });
      running.start();
      button.textContent = t("stopRecording");
    } catch (error) {
      running = null;
      complain(`${t("noCamera")}: ${error.message ?? error}`);
    }
  });
};

// Fills a box of the form; `upload()` gives the id of what was chosen, "" for nothing.
export const fileBox = (box, examples, complain) => {
  const { file: name, as, record, optional } = box.dataset;
  const input = element("input", { type: "file", accept: ACCEPT[as] });
  input.id = `file-${Math.random().toString(36).slice(2)}`;
  const title = element("label", { htmlFor: input.id }, element("b", { textContent: t(name) }));
  const chosen = element("p", { className: "chosen quiet", textContent: t("choose") });
  const buttons = element("p", { className: "buttons" });
  const shown = element("div");
  let file = null;
  let upload = null; // what the server made of it, kept so that the same file is sent once
  const take = (given, sent = null) => {
    file = given;
    upload = sent;
    const size = given ? ` (${(given.size / 2 ** 20).toFixed(1)} MB)` : "";
    chosen.textContent = given ? `${given.name}${size}` : (sent?.name ?? t("choose"));
    shown.replaceChildren();
    if (given && as !== "picture" && given.size < 2 ** 28) {
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
    const button = element("button", { type: "button", className: "record", textContent: t("record") });
    const form = box.closest("form");
    const isAsked = form.dataset.kind === "avatar"; // one button: the question goes off when it is said
    recorder(record, button, (given) => (take(given), isAsked && form.requestSubmit(form.querySelector("button.main"))), complain);
    buttons.append(button);
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
    async upload(progress) {
      if (!upload && file) upload = await send(file, as, progress);
      if (!upload && !optional) throw new Error(`${t(name)}: ${t("choose")}`);
      return upload?.id ?? "";
    },
  };
};
