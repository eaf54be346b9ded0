// A result and its original, in step; while a button or a key is held, the original is seen and heard.
import { button, element, videoFigure } from "./parts.js";
import { t } from "./words.js";

const JUMP_S = 0.25; // further apart than this, the original jumps to where it belongs
const NEAR_S = 0.02;

// Where the original stands at a time of the dub, and whether it moves: the dub's report says which moments belong together.
export const belongs = (stretches, now) => {
  let at = stretches[0][2];
  let moves = false;
  for (const [start, stop, source] of stretches) {
    if (now < start) break;
    at = source + Math.min(now, stop) - start;
    moves = now < stop;
  }
  return { at, moves };
};

// The other way round: when the dub shows a moment of the original.
const shownAt = (stretches, at) => {
  const found = stretches.find(([start, stop, source]) => at < source + stop - start) ?? stretches.at(-1);
  return Math.min(found[0] + Math.max(at - found[2], 0), found[1]);
};

const isTyping = (event) => event.target.matches("textarea, select, input:not([type=range], [type=checkbox])");

// dub: "" = there is none yet. title: key of what the result is called.
export const player = (original, dub, stretches, title = "result") => {
  const left = videoFigure(original, t("original"));
  const right = dub ? videoFigure(dub, t(title)) : left;
  const box = element("div", { className: dub ? "pair" : "single" }, ...new Set([left.figure, right.figure]));
  const leader = right.video;
  const root = element("div", { className: "player" }, box);
  let until = Infinity;

  const follow = () => {
    if (leader.currentTime >= until) {
      until = Infinity;
      leader.pause();
    }
    if (!dub || !left.video.duration) return;
    const { at, moves } = belongs(stretches, leader.currentTime);
    const goes = moves && !leader.paused;
    const apart = Math.abs(left.video.currentTime - at);
    if (apart > (goes ? JUMP_S : NEAR_S) && !left.video.seeking) left.video.currentTime = at;
    if (goes && left.video.paused) left.video.play().catch(() => {});
    if (!goes && !left.video.paused) left.video.pause();
  };
  const again = () => {
    follow();
    if (!leader.paused) requestAnimationFrame(again);
  };
  leader.addEventListener("play", again);
  for (const event of ["timeupdate", "pause", "ended", "seeked"]) leader.addEventListener(event, follow);

  if (dub) {
    left.video.muted = true;
    left.video.controls = false;
    left.video.addEventListener("error", () => left.figure.append(element("p", { className: "quiet", textContent: t("noPlay") })));
    root.append(holder(box, left.video, right.video));
  }

  const part = (from, to) => {
    if (until === to && !leader.paused) return leader.pause(); // it plays already
    until = to;
    leader.currentTime = from;
    leader.play().catch(() => {});
  };
  return {
    root,
    original: left.video,
    part: (one) => (dub ? part(one.output_start_s, one.output_end_s) : part(one.start_s, one.end_s)),
    at: () => left.video.currentTime,
    seek: (at) => {
      until = Infinity;
      leader.currentTime = dub ? shownAt(stretches, at) : at;
    },
  };
};

// A button, and the key O, that show and play the original as long as they are held.
const holder = (box, original, dub) => {
  let wasMuted = null; // of the dub, while the original is heard
  const hold = (isOn) => {
    if (isOn === (wasMuted !== null)) return;
    if (isOn) wasMuted = dub.muted;
    original.muted = !isOn;
    dub.muted = isOn || wasMuted;
    if (!isOn) wasMuted = null;
    box.classList.toggle("original", isOn);
    made.setAttribute("aria-pressed", String(isOn));
  };

  const made = button("holdOriginal", () => {}, "hold");
  made.setAttribute("aria-pressed", "false");
  made.addEventListener("pointerdown", () => hold(true));
  made.addEventListener("contextmenu", (event) => event.preventDefault()); // of a finger that rests
  for (const event of ["pointerup", "pointerleave", "pointercancel", "blur", "keyup"]) made.addEventListener(event, () => hold(false));
  made.addEventListener("keydown", (event) => [" ", "Enter"].includes(event.key) && hold(true));

  const press = (event) => {
    if (!box.isConnected) return ["keydown", "keyup"].forEach((name) => document.removeEventListener(name, press));
    if (event.code !== "KeyO" || event.ctrlKey || event.metaKey || !box.checkVisibility()) return;
    if (event.type === "keyup") return hold(false);
    if (isTyping(event) && !event.altKey) return;
    event.preventDefault();
    hold(true);
  };
  for (const name of ["keydown", "keyup"]) document.addEventListener(name, press);
  return made;
};
