// The files of a form: chosen, dropped, recorded with camera or microphone, or the example that the server has.
import { example, send } from "./jobs.js";
import { element } from "./player.js";
import { t } from "./words.js";

const ACCEPT = { video: "video/*,.mkv,.avi,.ts,.mts,.flv", sound: "audio/*,video/*", media: "audio/*,video/*,.mkv,.ts", picture: "image/*", subtitles: ".srt,.vtt,.ass,.ssa,.smi,.sami,.json" };
const OTHER = { picture: /^(audio|video|text|application\/pdf)/, subtitles: /^(audio|video|image)/ };
const NO_MEDIA = /^(image|text|application\/pdf)/; // as the system calls it: an animated GIF is a video all the same, and .ts no text
const KINDS = { video: ["video/webm;codecs=vp8,opus", "video/webm", "video/mp4"], audio: ["audio/webm;codecs=opus", "audio/webm", "audio/mp4"] };

// Whether a file may be what is wanted: most kinds of video and sound begin in a known way. The server looks at all of it.
const fits = async (file, as, [named, begins]) => {
  if (as in OTHER) return !OTHER[as].test(file.type);
  if (!NO_MEDIA.test(file.type) && !new RegExp(named).test(file.name.toLowerCase())) return true;
  const bytes = new Uint8Array(await file.slice(0, 1024).arrayBuffer());
  return new RegExp(begins).test(String.fromCharCode(...bytes));
};

// How long a file lasts (s), where the browser can play it and says so soon.
const lasts = (file) =>
  new Promise((resolve) => {
    const media = element("video", { preload: "metadata", onloadedmetadata: () => resolve(media.duration), onerror: () => resolve(0) });
    media.src = URL.createObjectURL(file);
    setTimeout(() => resolve(0), 2000);
  });

// Shows how loud a microphone is, until its track ends.
const level = (stream, meter) => {
  const context = new AudioContext();
  const heard = context.createAnalyser();
  const samples = new Float32Array(heard.fftSize);
  context.createMediaStreamSource(stream).connect(heard);
  const measure = () => {
    if (!stream.active) return void context.close();
    heard.getFloatTimeDomainData(samples);
    meter.value = Math.min(1, 3 * Math.max(...samples.map(Math.abs)));
    requestAnimationFrame(measure);
  };
  measure();
};

// Records until the button is pressed again, with picture, level and clock in `room`; words: what it says before and meanwhile.
const recorder = (wanted, button, room, words, take, complain) => {
  let running = null;
  button.addEventListener("click", async () => {
    if (running) {
      running.stop();
      return;
    }
    button.disabled = true;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: wanted === "video" });
      const type = KINDS[wanted].find((one) => MediaRecorder.isTypeSupported(one)) ?? "";
      const parts = [];
      const meter = element("meter", { min: 0, max: 1 });
      meter.setAttribute("aria-label", t("level"));
      const clock = element("span", { className: "quiet" });
      const seen = wanted === "video" ? [element("video", { srcObject: stream, muted: true, autoplay: true, playsInline: true })] : [];
      room.replaceChildren(...seen, element("p", { className: "buttons" }, meter, clock));
      level(stream, meter);
      const began = Date.now();
      const tick = setInterval(() => (clock.textContent = t("seconds", Math.floor((Date.now() - began) / 1000))), 250);
      running = new MediaRecorder(stream, type ? { mimeType: type } : {});
      running.addEventListener("dataavailable", (event) => parts.push(event.data));
      running.addEventListener("stop", () => {
        clearInterval(tick);
        for (const track of stream.getTracks()) track.stop();
        running = null;
        button.textContent = t(words[0]);
        room.replaceChildren();
        take(new File(parts, type.includes("mp4") ? "recording.mp4" : "recording.webm", { type }));
      });
      running.start();
      button.textContent = t(words[1]);
    } catch {
      running = null;
      complain(t("noCamera"));
    }
    button.disabled = false;
  });
};

// Fills a box of the form; `upload()` gives the id of what was chosen, "" for nothing. changed: called when that is another file.
export const fileBox = (box, { examples, heads, limit_bytes: limit, longest_s: longest }, complain, changed = () => {}) => {
  const { file: name, as, record, optional } = box.dataset;
  const isGiven = box.dataset.default === "example" && examples.includes(as);
  const none = t(isGiven ? "theExample" : (box.dataset.none ?? (optional ? `no_${name}` : "drop")));
  const input = element("input", { type: "file", accept: ACCEPT[as], className: "unseen" });
  input.id = `file-${Math.random().toString(36).slice(2)}`;
  const title = element("b", { textContent: t(name) });
  const choose = element("label", { htmlFor: input.id, className: "choose", textContent: t("choose") });
  input.setAttribute("aria-label", `${t(name)}: ${t("choose")}`);
  const chosen = element("span", { className: "chosen quiet", textContent: none });
  const buttons = element("p", { className: "buttons" }, input, choose);
  const shown = element("div");
  let file = null;
  let upload = null; // what the server made of it, kept so that the same file is sent once
  let fetching = null; // the example, on its way
  let isExample = isGiven;
  const fault = async (given) => {
    if (!(await fits(given, as, heads))) return `${given.name}: ${t(`not_${as}`)}`;
    const seconds = as in OTHER ? 0 : await lasts(given); // a recording has no end yet; the server counts a little otherwise
    return seconds < Infinity && seconds > 1.05 * longest ? `${given.name}: ${t("tooLong", Math.round(longest / 60))}` : "";
  };
  const show = (address, type) => {
    if (type === "picture") shown.replaceChildren(element("img", { src: address, alt: "" }));
    else if (type === "subtitles") shown.replaceChildren();
    else shown.replaceChildren(element(type, { src: address, controls: true, playsInline: true, onerror: () => shown.replaceChildren() }));
  };
  const take = (given, sent = null) => {
    if (given && (given.size === 0 || given.size > limit)) {
      input.value = "";
      complain(`${given.name}: ${given.size > limit ? t("tooLarge", Math.round(limit / 2 ** 20)) : t(`not_${as}`)}`);
      return;
    }
    if (given) complain("");
    if (given) fault(given).then((said) => said && file === given && complain(said));
    file = given;
    upload = sent;
    isExample = sent !== null || (isGiven && !given);
    const size = given ? ` (${Math.max(0.1, given.size / 2 ** 20).toFixed(1)} MB)` : "";
    chosen.textContent = given ? `${given.name}${size}` : (sent?.name ?? none);
    shown.replaceChildren();
    clear.hidden = !optional || (!given && !sent);
    changed();
    if (given && given.size < 2 ** 28) {
      const type = as === "picture" || as === "subtitles" ? as : given.type.startsWith("audio") ? "audio" : "video";
      show(URL.createObjectURL(given), type);
    } else if (sent?.name === "example.mp4" && as === "video") show("/sample/example.mp4#t=0.05", "video");
  };
  const clear = element("button", { type: "button", textContent: t("without"), hidden: true });
  clear.addEventListener("click", () => {
    input.value = "";
    take(null);
  });
  input.addEventListener("change", () => take(input.files[0] ?? null));
  box.ondragover = (event) => {
    event.preventDefault();
    box.classList.add("over");
  };
  box.ondragleave = () => box.classList.remove("over");
  box.ondrop = (event) => {
    event.preventDefault();
    box.classList.remove("over");
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  };
  if (record && navigator.mediaDevices) {
    const form = box.closest("form"); // none around a sentence
    const aloud = form?.querySelector(".aloud"); // one large button: the question goes off when it is said
    const words = aloud ? ["askAloud", "askNow"] : [record === "video" ? "record" : "recordSound", "stopRecording"];
    const button = element("button", { type: "button", className: aloud ? "record main" : "record", textContent: t(words[0]) });
    const taken = (given) => (take(given), aloud && form.requestSubmit(form.querySelector("button.ask")));
    const room = aloud ? element("div") : shown;
    recorder(record, button, room, words, taken, complain);
    if (aloud) aloud.replaceChildren(button, room);
    else buttons.append(button);
  } else if (record) {
    for (const one of box.closest("form")?.querySelectorAll("details") ?? []) one.open = one.open || !!one.querySelector(".ask");
  }
  if (examples.includes(as) && !optional && !isGiven) {
    const button = element("button", { type: "button", className: "example", textContent: t("example") });
    button.addEventListener("click", async () => {
      button.disabled = true;
      chosen.textContent = t("looking");
      fetching = example(as);
      try {
        take(null, await fetching);
        const dub = box.closest("form[data-kind=dub]"); // has all that it needs: one click tries it
        dub?.requestSubmit(dub.querySelector(".main"));
      } catch (error) {
        chosen.textContent = none;
        complain(error.message);
      }
      fetching = null;
      button.disabled = false;
    });
    buttons.append(button);
  }
  buttons.append(clear);
  box.replaceChildren(title, " ", chosen, shown, buttons);
  return {
    name,
    take,
    facts: () => upload,
    has: () => Boolean(file ?? upload),
    // It was removed from the server, with the job that had it.
    forget() {
      upload = null;
    },
    // Its job shows it from now on.
    fold() {
      shown.replaceChildren();
    },
    async upload(progress, signal) {
      if (fetching) await fetching.then((sent) => take(null, sent));
      const said = !upload && file && (await fault(file));
      if (said) throw new Error(said);
      if (!upload && file) upload = await send(file, as, progress, signal);
      if (!upload && isExample) take(null, await example(as));
      if (!upload && !optional) throw new Error(`${t(name)}: ${t("choose")}`);
      return upload?.id ?? "";
    },
  };
};
