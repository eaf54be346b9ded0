// How much is understood, in colour and in words.
import { element } from "./parts.js";
import { language, t } from "./words.js";

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// What the command line says of how much is understood: the verdict, and its causes.
export const told = (found) => {
  const [head, ...causes] = found?.text?.[language()].split("; ") ?? [t("notJudged")];
  return [capital(head), causes.join("; ")];
};

export const verdict = (found, words = found?.words ?? "unknown", [head, causes] = words === "given" ? [t("yourText"), ""] : told(found)) =>
  element("p", { className: `verdict ${words}` }, element("b", { textContent: `${head}. ` }), causes && `${capital(causes)}.`);
