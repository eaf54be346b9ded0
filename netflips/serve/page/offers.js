// What a video lacks, said before any work, and what can be done with it instead.
import { button } from "./jobs.js";
import { element } from "./player.js";
import { t } from "./words.js";

// The lack of a video that counts for what is asked, "" = none.
const lack = (video, asked) => {
  if (asked.modalities !== "video" && !asked.subtitles && !asked.speech) {
    if (!video.has_sound) return "noSound";
    if (!video.has_speech) return "noSpeech";
  }
  return video.has_face ? "" : asked.modalities === "video" ? "noLips" : "noFace";
};

// Offers in place of a dub that would disappoint; null = there is nothing to say. page: {about, other, readLips}; goOn: dubs all the same.
export const offers = (video, asked, page, goOn) => {
  const found = lack(video, asked);
  if (!found) return null;
  const other = (key, kind, file) => button(key, () => page.other(kind, file, video));
  const lips = video.has_face ? [other("moveLips", "lipsync", "video")] : [];
  const speak = page.about.has_speller && !page.about.operator ? [other("sayText", "say")] : [];
  const write = page.about.has_reader ? [other("writeDown", "transcribe", "recording")] : [];
  const ways = {
    noSound: [...(video.has_face ? [button("readLips", page.readLips, "main")] : []), ...lips, ...speak],
    noSpeech: [...lips, ...speak, button("translateAnyway", goOn)],
    noFace: [button("soundAlone", goOn, "main"), ...write],
    noLips: speak,
  }[found];
  const list = element("p", { className: "buttons" }, ...ways);
  const isAll = video.has_face || found === "noFace" || found === "noLips";
  const said = isAll ? t(found) : `${t("nobodySeen")} ${t(found)}`;
  return element("div", { className: "offers" }, element("p", { textContent: said }), list);
};
