// The files of a form: chosen, dropped, recorded with camera or microphone, or the example that the server has.
import { element, example, send, worded } from "./parts.js";
import { t, translate } from "./words.js";

const ACCEPT = { video: "video/*,.mkv,.avi,.ts,.mts,.flv", sound: "audio/*,video/*", media: "audio/*,video/*,.mkv,.ts", image: "image/*", subtitles: ".srt,.vtt,.ttml,.dfxp,.ass,.ssa,.smi,.sami,.json" };
const OTHER = { image: /^(audio|video|text|application\/pdf)/, subtitles: /^(audio|video|image)/ };
const NO_MEDIA = /^(image|text|application\/pdf)/; // as the system calls it: an animated GIF is a video all the same, and .ts no text
const KINDS = { video: ["video/webm;codecs=vp8,opus", "video/webm", "video/mp4"], audio: ["audio/webm;codecs=opus", "audio/webm", "audio/mp4"] };

// What would be lost with this page: recordings, and files on their way.
const unsent = new Set();
const labels = document.getElementById("labels");
addEventListener("beforeunload", (event) => unsent.size && event.preventDefault());

// What has no words of its own is named for those who do not see it.
const titled = (key, made) => ((made.dataset.named = key), made);

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

// Records until the button is pressed again, with video, level and clock in `room`; words: what it says before and meanwhile.
const recorder = (wanted, button, room, words, take, complain) => {
  let running = null;
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled")) return; // what it recorded is on its way
    if (running) {
      running.stop();
      return;
    }

    button.disabled = true;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: wanted === "video" });
      const type = KINDS[wanted].find((one) => MediaRecorder.isTypeSupported(one)) ?? "";
      const parts = [];
      const meter = titled("level", element("meter", { min: 0, max: 1 }));
      const clock = element("span", { className: "quiet" });
      const seen = wanted === "video" ? [titled("camera", element("video", { srcObject: stream, muted: true, autoplay: true, playsInline: true }))] : [];
      room.replaceChildren(...seen, element("p", { className: "buttons" }, meter, clock));
      translate(room);
      unsent.add(button);
      labels.disabled = true; // a sentence's table is made anew in another language
      level(stream, meter);

      const began = Date.now();
      const tick = setInterval(() => (clock.textContent = t("seconds", Math.floor((Date.now() - began) / 1000))), 250);

      running = new MediaRecorder(stream, type ? { mimeType: type } : {});
      running.addEventListener("dataavailable", (event) => parts.push(event.data));
      running.addEventListener("stop", () => {
        clearInterval(tick);
        for (const track of stream.getTracks()) track.stop();
        running = null;
        unsent.delete(button);
        labels.disabled = false;
        button.textContent = t((button.dataset.t = words[0]));
        room.replaceChildren();
        take(new File(parts, type.includes("mp4") ? "recording.mp4" : "recording.webm", { type }));
      });

      running.start();
      button.textContent = t((button.dataset.t = words[1]));
    } catch {
      running = null;
      labels.disabled = false;
      complain(t("noCamera"));
    }
    button.disabled = false;
  });
};

// Fills a box of the form; `upload()` gives the id of what was chosen, "" for nothing. changed: called when that is another file.
export const fileBox = (box, { examples, heads, limit_bytes: limit, longest_s: longest }, complain, changed = () => {}) => {
  const { file: name, as, record, optional, example: sample = as } = box.dataset;
  const isGiven = box.dataset.default === "example" && examples.includes(sample);
  const none = isGiven ? "theExample" : (box.dataset.none ?? (optional ? `no_${name}` : "drop"));
  const input = element("input", { type: "file", accept: ACCEPT[as], className: "unseen" });
  input.id = `file-${Math.random().toString(36).slice(2)}`;
  const title = worded(box.dataset.title ?? name, element("b"));
  const choose = worded("choose", element("label", { htmlFor: input.id, className: "choose" }));
  input.dataset.named = `${box.dataset.title ?? name} choose`;
  const chosen = worded(none, element("span", { className: "chosen quiet" }));

  const say = (text) => {
    if (text) delete chosen.dataset.t;
    else chosen.dataset.t = none;
    chosen.textContent = text || t(none);
  };
  const buttons = element("p", { className: "buttons" }, input, choose);
  const shown = element("div");

  let file = null;
  let upload = null; // what the server made of it, kept so that the same file is sent once
  let fetching = null; // the example, on its way
  let sending = null; // the file, on its way
  let isExample = isGiven;

  const fault = async (given) => {
    if (!(await fits(given, as, heads))) return `${given.name}: ${t(`not_${as}`)}`;
    const seconds = as in OTHER ? 0 : await lasts(given); // a recording has no end yet; the server counts a little otherwise
    return seconds < Infinity && seconds > 1.05 * longest ? `${given.name}: ${t("tooLong", Math.round(longest / 60))}` : "";
  };

  const show = (address, type) => {
    if (type === "image") shown.replaceChildren(element("img", { src: address, alt: "" }));
    else if (type === "subtitles") shown.replaceChildren();
    else shown.replaceChildren(titled(box.dataset.title ?? name, element(type, { src: address, controls: true, playsInline: true, onerror: () => shown.replaceChildren() })));
    translate(shown);
  };

  // isOwn: it was recorded here, and is nowhere else.
  const take = (given, sent = null, isOwn = false) => {
    if (given && (given.size === 0 || given.size > limit)) {
      input.value = "";
      complain(`${given.name}: ${given.size > limit ? t("tooLarge", Math.round(limit / 2 ** 20)) : t(`not_${as}`)}`);
      return;
    }
    if (given) complain("");
    if (given) fault(given).then((said) => said && file === given && (refuse(), complain(said)));

    unsent.delete(box);
    if (given && isOwn) unsent.add(box);
    file = given;
    upload = sent;
    sending = null;
    isExample = sent !== null || (isGiven && !given);

    const size = !given ? "" : given.size < 2 ** 20 ? ` (${Math.ceil(given.size / 2 ** 10)}\u00a0kB)` : ` (${(given.size / 2 ** 20).toFixed(1)}\u00a0MB)`;
    say(given ? `${given.name}${size}` : sent?.name);
    shown.replaceChildren();
    clear.hidden = !optional || (!given && !sent);
    changed();

    if (given && given.size < 2 ** 28) {
      const type = as === "image" || as === "subtitles" ? as : given.type.startsWith("audio") ? "audio" : "video";
      show(URL.createObjectURL(given), type);
    } else if (sent?.name === "example.mp4" && sample === "video") show("/sample/example.mp4#t=0.05", "video");
  };

  const refuse = () => {
    input.value = "";
    take(null);
  };

  const clear = worded("without", element("button", { type: "button", hidden: true }));
  clear.addEventListener("click", refuse);
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
    const words = aloud ? ["askAloud", "askNow"] : record === "video" ? ["record", "stopRecording"] : ["recordSound", "stopSound"];
    const button = element("button", { type: "button", className: aloud ? "record main" : "record", });
    worded(words[0], button);
    const taken = (given) => (take(given, null, true), aloud && form.requestSubmit(form.querySelector("button.ask")));
    const room = aloud ? element("div") : shown;
    recorder(record, button, room, words, taken, complain);
    if (aloud) {
      aloud.replaceChildren(button, room);
      translate(aloud); // it stands outside of this box
    } else buttons.append(button);
  } else if (record) {
    for (const one of box.closest("form")?.querySelectorAll("details") ?? []) one.open = one.open || !!one.querySelector(".ask");
  }

  if (examples.includes(sample) && !optional && !isGiven) {
    const button = worded("example", element("button", { type: "button", className: "example" }));
    button.addEventListener("click", async () => {
      if (fetching) return; // it is not disabled: the focus stays
      say(t("looking"));
      fetching = example(sample);
      try {
        take(null, await fetching);
        const dub = box.closest("form[data-kind=dub]"); // has all that it needs: one click tries it
        dub?.requestSubmit(dub.querySelector(".main"));
      } catch (error) {
        say("");
        complain(error.message);
      }
      fetching = null;
    });
    buttons.append(button);
  }

  buttons.append(clear);
  box.replaceChildren(title, " ", chosen, ...(box.classList.contains("small") ? [buttons, shown] : [shown, buttons]));
  translate(box);

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
      const given = upload ? null : file;
      try {
        const said = given && (await fault(given));
        if (said) throw Object.assign(new Error(said), { isRefused: true });
        if (given) {
          unsent.add(given);
          sending ??= send(given, as, progress, signal);
          const sent = await sending;
          if (file === given) upload = sent; // else another was chosen meanwhile
          unsent.delete(box);
        }
      } catch (error) {
        if (error.isRefused && file === given) refuse(); // it would be refused again
        throw error;
      } finally {
        sending = null;
        unsent.delete(given);
      }
      if (!upload && isExample) take(null, await example(sample));
      if (!upload && !optional) throw new Error(t(`needs_${as}`));
      return upload?.id ?? "";
    },
  };
};
