// Jobs: how a job and its result are shown.
import { editor } from "./editor.js";
import { forget } from "./kept.js";
import { API, ask, button, complaint, element, percent, press, sent, stageText, stateText } from "./parts.js";
import { player } from "./player.js";
import { capital, verdict } from "./verdict.js";
import { duration, language, t } from "./words.js";

const link = (address, text, isDownload, className = "") => {
  const made = element("a", { href: address, textContent: text, className });
  if (isDownload) made.download = "";
  else made.target = "_blank";
  return made;
};

const goes = (job) => job.state === "running" || job.state === "waiting";

const SURE_MS = 4000;
const LEAST_DRAWN = 0.5; // with fewer lips drawn, what was asked for is not there
const LONG_S = 60; // with so much left a visitor goes away

const isStrange = (found) => ["not_understood", "unsure"].includes(found?.words);

// What a visitor can do whose video the models do not understand.
const waysOut = (job, page) => {
  const { about } = page;
  const isText = job.values.road === "text";
  const ways = element("ul", { className: "ways" });
  const way = (...parts) => ways.append(element("li", {}, ...parts));

  if (about.sentences.length && !isText) way(button("sayKnown", page.showKnown));
  if (about.has_speller || isText) way(t("typeKorean"));
  way(t("giveSpeech"));

  if (about.has_cascade && !isText) {
    const { rows: _, voices: __, terms: ___, export: ____, ...asked } = job.values;
    const anew = () => page.submit({ kind: "dub", values: { ...asked, road: "text", preview: false } });
    way(button("anySpeech", (one) => press(one, page, anew), "main"));
  } else if (!about.has_cascade) {
    const { command, gigabytes, licences } = about.get_models;
    const copy = button("copy", () => navigator.clipboard?.writeText(command).then(() => (copy.textContent = t("copied"))));
    way(t("getModels", gigabytes, licences), " ", element("code", { textContent: command }), " ", copy);
  }

  return element("div", {}, element("p", { textContent: t("waysOut") }), ways);
};

// What a dub can be taken along as: made when it is asked for, and then one file.
const exports = (job, go) => {
  const rows = ["edit", "publish"].map((name) => {
    const isMade = job.exports?.includes(name);
    const way = isMade ? link(`${API}/jobs/${job.id}/exports/${name}`, t(`${name}Zip`), true) : button(`${name}Make`, (one) => go(async () => ({ export: name }), one, true));
    return element("li", {}, way, " ", element("span", { className: "quiet", textContent: t(`${name}Why`) }));
  });
  const texts = job.files.filter((one) => /\.vtt$/.test(one.name)).map((one) => link(`${API}/jobs/${job.id}/files/${one.name}?download=1`, one.as, true));
  if (texts.length) rows.push(element("li", { className: "buttons" }, ...texts));
  return element("details", { className: "exports", open: Boolean(job.exports?.length) }, element("summary", { textContent: t("export") }), element("ul", {}, ...rows));
};

// A dub: how much is understood, both texts, and as soon as it is there the result beside the original.
const dubbed = (job, page, go) => {
  const address = (name) => `${API}/jobs/${job.id}/files/${name}`;
  const find = (is) => job.files.find(is);
  const judged = element("div", {}, verdict(job.quality));
  const made = [judged];
  if (job.lips) made.push(element("p", { className: job.lips.share < LEAST_DRAWN ? "lips warning" : "lips quiet", textContent: `${capital(job.lips[language()])}.` }));

  const [video, original] = [find((one) => one.shows === "video" || one.shows === "sound"), find((one) => one.name.startsWith("source"))];
  const shown = original ? player(address(original.name), video ? address(video.name) : "", job.stretches ?? [[0, 1e6, 0]]) : null;
  if (video) {
    const downloads = element("p", { className: "buttons" }, link(`${address(video.name)}?download=1`, t("downloadAs", video.as), true, "main"));
    for (const one of job.files.filter((one) => one.name.endsWith(".srt"))) downloads.append(link(`${address(one.name)}?download=1`, one.as, true));
    const report = find((one) => one.shows === "page");
    if (report) downloads.append(link(address(report.name), t("openReport")));
    if (job.state === "done") downloads.append(exports(job, go));
    made.push(downloads);
  }

  const [isLost, isDoubted] = [job.quality.words === "not_understood", isStrange(job.quality)];
  const wasLost = (job.utterances ?? []).filter((one) => one.quality?.words === "not_understood").length;
  const ways = job.state === "asks" && isLost ? waysOut(job, page) : null;
  if (ways) made.push(ways);
  if (!job.utterances) return shown ? [...made, shown.root] : made;

  // Texts of a dub that would fail again can be changed.
  const isWhole = job.state === "asks" || (job.state === "done" ? !job.values.preview : job.state === "failed" && !job.goes_on);
  const count = element("span", { className: "quiet" });
  const { rows: _, voices: __, terms: ___, export: ____, ...asked } = job.values;
  const changed = (form) => ({ kind: "dub", values: { ...asked, preview: false }, after: job.id, ...form });
  const submit = (pressed, more) =>
    press(pressed, page, async () => (await page.submit(table.form().then((form) => changed({ ...form, ...more })))) && forget(job.id));
  const again = (pressed) => submit(pressed, {});
  const draft = (pressed) => submit(pressed, { draft: true });

  const buttons = element("p", { className: "buttons finish" });
  const dub = (form) => (one) => go(async () => ({ ...(await table.form()), ...form }), one);
  const anew = button("again", again, "again");
  anew.disabled = true;
  const reread = job.state === "asks" ? button("reread", (one) => go(async () => ({ ...(await table.form()), draft: true }), one)) : button("reread", draft);
  reread.hidden = true;
  const [anyway, dubIt] = [button("goOnAnyway", dub({})), button("dubIt", dub({}), "main")];
  [anyway.hidden, dubIt.hidden] = [!isLost, isLost];

  const hearSome = async () => {
    for (const one of table.some()) await one.hear(false);
  };
  const hear = button("hearSome", (one) => press(one, page, hearSome));
  const offer = (count) => Object.assign(hear, { hidden: count < 2, textContent: t("hearSome", count) });

  const table = editor(job, page, shown, (number, now) => {
    if (!hear.disabled) offer(now.some);
    const { cost } = job;
    const about = cost && number ? `, ${t("takesAbout", duration(cost.fixed_s + cost.per_s * now.seconds))}` : "";
    count.textContent = number ? t("changed", number) + about : "";
    anew.disabled = !number;
    anew.classList.toggle("main", number > 0);
    reread.hidden = !now.isUntold;
    // What was not understood, and is typed by now, is understood.
    const isMended = isDoubted && (now.isTyped || (wasLost > 0 && !now.lost && (isLost || !now.doubted)));
    if (ways) ways.hidden = isMended;
    anyway.hidden = !isLost || isMended;
    dubIt.hidden = isLost && !isMended;
    const left = [t(now.lost === 1 ? "oneIsLost" : "areLost", now.lost, now.of), ""];
    const isNews = number && isDoubted && !isMended && (isLost || now.lost < wasLost) && now.lost;
    judged.replaceChildren(now.isTyped || isMended ? verdict({ words: "given" }) : isNews ? verdict(null, job.quality.words, left) : verdict(job.quality));
  });

  made.push(table.root, buttons);
  // Ctrl and Enter go on from anywhere in the texts.
  table.root.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) buttons.querySelector("button.main:enabled, button.again:enabled")?.click();
  });

  if (job.state === "asks") buttons.append(anyway, dubIt);
  else if (isWhole) buttons.append(anew);
  else for (const one of table.root.querySelectorAll("textarea, input, select, .hear, .record, [data-act=split], [data-act=join], [data-act=machineText]")) one.disabled = true;

  if (job.state === "asks") buttons.append(hear);
  offer(table.some().length);
  if (job.state === "asks" && job.utterances.length > 1) buttons.append(button("preview", dub({ preview: true })));
  buttons.append(reread);
  if (video && job.values.preview) buttons.append(button("dubAll", (one) => go(async () => ({ preview: false }), one), "main"));

  const script = find((one) => one.as.endsWith(".script.json"));
  if (script) buttons.append(link(`${address(script.name)}?download=1`, t("script"), true));
  buttons.append(count);

  table.begin();
  const kept = job.work?.speech;
  if (kept?.kept) made.push(element("p", { className: "quiet", textContent: t("kept", kept.made, kept.kept) }));
  return made;
};

// What came out of a job of another kind, by the kinds of its files.
const outcome = (job) => {
  const address = (name) => `${API}/jobs/${job.id}/files/${name}`;
  const shows = (what) => job.files.find((one) => one.shows === what);
  const made = [];

  const video = shows("video");
  const original = job.files.find((one) => one.shows === "given" && one.name.startsWith("source"));
  if (video && original) {
    made.push(player(address(original.name), address(video.name), job.stretches ?? [[0, 1e6, 0]], "newLips").root);
  } else if (video) {
    const shown = element("video", { src: `${address(video.name)}#t=0.05`, controls: true, playsInline: true, ariaLabel: job.title, autoplay: job.kind === "avatar" });
    made.push(job.kind === "avatar" ? answered(job, shown) : shown);
  }

  const sound = shows("sound");
  if (sound) made.push(element("audio", { src: address(sound.name), controls: true, ariaLabel: job.title }));
  if (job.quality.words && job.quality.words !== "given") made.push(verdict(job.quality));
  if (job.text !== undefined && job.kind !== "avatar") made.push(element("pre", { textContent: job.text }));

  const buttons = element("p", { className: "buttons" });
  for (const [number, one] of job.files.filter((one) => one.shows !== "given").entries()) {
    buttons.append(link(`${address(one.name)}?download=1`, t("downloadAs", one.as), true, number || job.kind === "avatar" ? "" : "main"));
  }

  return [...made, buttons];
};

// The face, and the answer as text beside it.
const answered = (job, video) => {
  const again = button("repeat", () => {
    video.currentTime = 0;
    video.play().catch(() => {});
  }, "main");

  const said = JSON.parse(job.text ?? "{}");
  const heard = element("p", { className: "quiet", textContent: `${t("recognized")}: ${said.recognized || "–"}` });
  const puzzled = said.outcome === "not understood" ? [element("p", { className: "warning", textContent: t("puzzled") })] : [];
  const answer = element("p", { className: "answer", lang: "ko", textContent: said.answer ?? "" });
  const doubt = isStrange(said.quality) ? [verdict(said.quality)] : [];

  const words = element("div", {}, ...puzzled, answer, again, heard, ...doubt);
  return element("div", { className: "pair answered" }, video, words);
};

// The card of a job: its root, and `show` for news of it. page: {about, complain, submit, tell}.
export const card = (facts, page) => {
  const root = element("article", { className: "job" });
  root.dataset.id = facts.id;
  root.setAttribute("aria-label", facts.title);
  const title = element("h3", { textContent: facts.title, tabIndex: -1 }); // focus waits there while a button is replaced
  const state = element("span", { className: "state" });
  const bar = element("progress", { max: 1, value: 0 });
  bar.setAttribute("aria-label", facts.title);
  const room = element("div", { className: "outcome" });
  const buttons = element("p", { className: "buttons" });
  const began = new Date(1000 * facts.created_s).toLocaleTimeString(language(), { hour: "2-digit", minute: "2-digit" });
  const about = element("span", { className: "quiet", textContent: facts.made_by && facts.kind === "dub" ? `${began}, ${t("corrected")}` : began });
  const fold = button("hide", () => close(!root.classList.contains("closed")));
  const close = (isClosed) => {
    root.classList.toggle("closed", isClosed);
    fold.textContent = t(isClosed ? "show" : "hide");
    fold.setAttribute("aria-expanded", String(!isClosed));
  };
  close(false);
  root.append(element("header", {}, title, about, state, buttons), bar, room);

  let news = 0; // how often something was shown
  let ticking = 0;
  // The time left is counted down between news.
  const tick = (job) => {
    clearInterval(ticking);
    const since = performance.now();
    if (job.state === "running") ticking = setInterval(() => (state.textContent = stateText(job, (performance.now() - since) / 1000)), 1000);
  };
  const told = new Set(); // what a screen reader was told of this state
  // Ask the server for something by a button. wanted: options of the request, or a promise of them. keeps: what was typed stays.
  const act = (pressed, address, wanted, word, keeps = false) => {
    const work = async () => {
      const before = news;
      title.focus({ preventScroll: true });
      const options = await wanted;
      const now = await ask(address, options);
      if ((options.body && !keeps) || options.method === "DELETE") forget(facts.id); // what was typed is dubbed now
      if (options.method === "DELETE") {
        page.removed.add(facts.id);
        const next = root.nextElementSibling ?? root.previousElementSibling;
        root.remove();
        if (!next) page.emptied();
        if (document.activeElement === document.body) next?.querySelector("h3").focus({ preventScroll: true });
      } else if (news === before) show(now); // else the stream of news was quicker
    };
    return press(pressed, page, work, word);
  };
  // What is removed does not come back: the button is to be pressed twice.
  const remove = (pressed, at) => {
    if (pressed.dataset.sure) return act(pressed, at, { method: "DELETE" }, "remove");
    pressed.dataset.sure = "yes";
    pressed.textContent = t("removeSure");
    setTimeout(() => {
      delete pressed.dataset.sure;
      pressed.textContent = t("remove");
    }, SURE_MS);
  };
  // form: promises what is asked of a dub, when speech that it needs is sent.
  const go = (form, pressed, keeps) => act(pressed, `/jobs/${facts.id}/again`, form().then(sent), "starting", keeps);

  const fill = async (job, isNews) => {
    const whole = await ask(`/jobs/${job.id}`).catch(() => null);
    if (!whole || whole.state !== root.dataset.state) return; // later news fill it

    const parts = whole.error ? [element("p", { className: "error", textContent: complaint(whole) })] : [];
    if (whole.kind === "dub" && (whole.utterances || whole.state === "done")) parts.push(...dubbed(whole, page, go));
    else if (whole.state === "done") parts.push(...outcome(whole));

    const notes = whole.warnings.map((one) => element("p", { className: "warning", textContent: one[language()] }));
    if (whole.kind !== "dub") parts.push(...notes);
    else if (notes.length) parts.push(element("details", {}, element("summary", { textContent: t("notes", notes.length) }), ...notes));
    room.replaceChildren(...parts);

    const reveal = () => {
      const isBusy = root.contains(document.activeElement) && document.activeElement.matches("textarea, input");
      if (!page.moved && !isBusy) root.scrollIntoView({ block: "start" });
    };

    if (!isNews || !["asks", "done"].includes(whole.state)) return;
    reveal();
    // A video has its height when its head is there.
    for (const one of room.querySelectorAll("video")) one.addEventListener("loadedmetadata", reveal, { once: true });
  };

  const show = (job) => {
    news += 1;
    const isOther = root.dataset.state !== job.state;
    const word = job.state === "running" ? stageText(job) : stateText(job); // no shares: a screen reader would read every one
    const wasGoing = ["waiting", "running"].includes(root.dataset.state);

    if (isOther) told.clear();
    if ((root.dataset.state || job.state === "running") && word && !told.has(word)) page.tell(`${job.title}: ${word}`);
    told.add(word);

    root.dataset.state = job.state;
    root.dataset.stage = job.stage;
    root.dataset.share = job.share;
    state.textContent = stateText(job);
    tick(job);
    state.className = `state ${job.state}`;
    bar.hidden = !goes(job);
    bar.value = percent(job.share) / 100;

    if (job.left_s > LONG_S && window.Notification?.permission === "default" && !buttons.querySelector("[data-act=notify]")) {
      buttons.prepend(button("notify", (one) => Notification.requestPermission().then(() => one.remove())));
    }

    if (!isOther) return; // a button that is pressed just now stays the same one
    const at = `/jobs/${job.id}`;
    buttons.replaceChildren(
      ...(goes(job) ? [button("stop", (one) => act(one, `${at}/stop`, { method: "POST" }, "stopping"), "stop")] : []),
      ...(job.goes_on ? [button("goOn", (one) => act(one, `${at}/again`, { method: "POST" }))] : []),
      ...(goes(job) ? [] : [fold, button("remove", (one) => remove(one, at), "lesser")]),
    );
    if (goes(job)) page.moved = false;
    fill(job, wasGoing);
  };

  show(facts);
  return { root, title, show, close };
};
