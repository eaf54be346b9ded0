// The time line: the sound of the original, and a block for each sentence whose edges can be dragged.
import { ask, element, named } from "./parts.js";
import { t } from "./words.js";
import Regions from "./vendor/regions.js";
import WaveSurfer from "./vendor/wavesurfer.js";

const HEIGHT = 72; // the server's policy allows the style of this height (access.py)
const LEAST_S = 0.2; // shorter than this is no sentence
const SPEAKERS = 6; // colours there are
const MOST_PX_PER_S = 200;

export const colourOf = (speaker) => `var(--speaker-${speaker % SPEAKERS})`;

// What stands in a block: its number and text, and below how much of its time the new speech takes.
const label = ({ number, text, filled, isLong, isDoubted }) => {
  const [bar, said] = [element("span"), element("span", { textContent: `${number}${isDoubted ? " ?" : ""} ${text}` })];
  Object.assign(bar.style, { position: "absolute", left: 0, bottom: 0, height: "6px", width: `${Math.min(filled, 1) * 100}%`, background: `var(--${isLong ? "bad" : "note"})` });
  Object.assign(said.style, { display: "block", padding: "0 8px", overflow: "hidden", textOverflow: "ellipsis", background: "var(--card)" });
  const made = element("div", {}, said, bar);
  Object.assign(made.style, {
    position: "absolute", inset: 0, overflow: "hidden", fontSize: "12px", lineHeight: "1.4", color: "var(--ink)", whiteSpace: "nowrap",
    borderTop: isDoubted ? "3px dashed var(--warn)" : "3px solid transparent",
  });
  return made;
};

// shown: the player. resize: called with a row's number and its new edges; choose: with the number of a row that was pressed.
export const timeline = (job, shown, resize, choose) => {
  const room = element("div");
  const zoom = named(element("input", { type: "range", min: 0, max: 1, step: 0.05, value: 0 }), t("zoom"));
  const root = element("div", { className: "timeline", hidden: true }, room, zoom);
  const regions = Regions.create();
  let rows = [];
  let drawn = new Map(); // by number: what is drawn, and its region
  let wave = null;

  const draw = () => {
    if (!wave) return;
    const kept = new Map();
    for (const one of rows) {
      const now = JSON.stringify(one);
      const before = drawn.get(one.number);
      const region =
        before?.now === now
          ? before.region
          : regions.addRegion({
              id: String(one.number), start: one.start_s, end: one.end_s, color: colourOf(one.speaker), content: label(one), drag: false, resize: one.isOpen, minLength: LEAST_S,
            });
      kept.set(one.number, { now, region });
    }
    for (const [number, { region }] of drawn) if (kept.get(number)?.region !== region) region.remove();
    drawn = kept;
  };

  // Two sentences never overlap.
  const resized = (region) => {
    const place = rows.findIndex((one) => String(one.number) === region.id);
    const [from, to] = [Math.max(region.start, rows[place - 1]?.end_s ?? 0), Math.min(region.end, rows[place + 1]?.start_s ?? Infinity)];
    drawn.get(rows[place].number).now = ""; // it stands elsewhere now
    resize(place, from === rows[place].start_s ? null : from, to === rows[place].end_s ? null : to);
  };

  const paint = () => {
    const colour = (name) => getComputedStyle(root).getPropertyValue(name);
    return { waveColor: colour("--soft"), progressColor: colour("--soft"), cursorColor: colour("--ink") };
  };

  const open = ({ seconds, peaks }) => {
    root.hidden = false;
    const made = WaveSurfer.create({
      container: room, height: HEIGHT, cursorWidth: 2, media: shown.original, duration: seconds, peaks: [peaks.map((one) => one / 100)], normalize: true, barHeight: 0.75, barAlign: "bottom", barWidth: 2, barGap: 1, plugins: [regions], ...paint(),
    });
    regions.on("region-updated", resized);
    regions.on("region-clicked", (region) => choose(rows.findIndex((one) => String(one.number) === region.id)));
    made.on("interaction", shown.seek);
    made.on("ready", () => {
      wave = made;
      draw();
    });
    const least = () => room.clientWidth / seconds;
    zoom.hidden = least() > MOST_PX_PER_S;
    zoom.addEventListener("input", () => made.zoom(least() * (MOST_PX_PER_S / least()) ** Number(zoom.value)));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => made.setOptions(paint()));
  };
  ask(`/jobs/${job.id}/wave`).then(open).catch(() => {}); // a sound that cannot be read is not drawn

  const show = (now) => {
    rows = now;
    draw();
  };
  return { root, show };
};
