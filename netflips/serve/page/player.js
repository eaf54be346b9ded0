// A result and its original, side by side, in step: which moments belong together is said by the dub's report.
import { t } from "./words.js";

const JUMP_S = 0.25; // further apart than this, the original jumps to where it belongs

export const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

// Where the original stands at a time of the dub, and whether it moves.
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

export const videoFigure = (address, title) => {
  const video = element("video", { src: `${address}#t=0.05`, preload: "metadata", playsInline: true, controls: true });
  video.setAttribute("aria-label", title);
  return { video, figure: element("figure", {}, video, element("figcaption", { textContent: title })) };
};

export const player = (original, dub, stretches) => {
  const left = videoFigure(original, t("original"));
  const right = videoFigure(dub, t("result"));
  const box = element("div", { className: "pair" }, left.figure, right.figure);
  left.video.muted = true;
  left.video.controls = false;
  left.video.addEventListener("error", () => left.figure.append(element("p", { className: "quiet", textContent: t("noPlay") })));
  let until = Infinity;
  const follow = () => {
    if (right.video.currentTime >= until) {
      until = Infinity;
      right.video.pause();
    }
    if (!left.video.duration) return;
    const { at, moves } = belongs(stretches, right.video.currentTime);
    const goes = moves && !right.video.paused;
    const apart = Math.abs(left.video.currentTime - at);
    if (apart > (goes ? JUMP_S : 0.02) && !left.video.seeking) left.video.currentTime = at;
    if (goes && left.video.paused) left.video.play().catch(() => {});
    if (!goes && !left.video.paused) left.video.pause();
  };
  const again = () => {
    follow();
    if (!right.video.paused) requestAnimationFrame(again);
  };
  right.video.addEventListener("play", again);
  for (const event of ["timeupdate", "pause", "ended", "seeked"]) right.video.addEventListener(event, follow);
  const hear = element("select", {}, new Option(t("theDub"), "dub"), new Option(t("theOriginal"), "original"));
  hear.addEventListener("change", () => {
    left.video.muted = hear.value === "dub";
    right.video.muted = hear.value !== "dub";
  });
  const root = element("div", {}, box, element("label", { className: "language" }, element("span", { textContent: t("hear") }), hear));
  const part = (from, to) => {
    until = to;
    right.video.currentTime = from;
    right.video.play().catch(() => {});
  };
  return { root, part: (one) => part(one.output_start_s, one.output_end_s), at: () => left.video.currentTime };
};

// The original alone, before there is a dub.
export const single = (address) => {
  const { video, figure } = videoFigure(address, t("original"));
  let until = Infinity;
  video.addEventListener("timeupdate", () => {
    if (video.currentTime < until) return;
    until = Infinity;
    video.pause();
  });
  const part = (one) => {
    until = one.end_s;
    video.currentTime = one.start_s;
    video.play().catch(() => {});
  };
  return { root: element("div", { className: "single" }, figure), part, at: () => video.currentTime };
};
