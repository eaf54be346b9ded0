"use strict";
// Plays an original and its dub in step, and the sound of single utterances. Without it the page has plain players.
(() => {
  const JUMP_S = 0.25; // further apart than this, the original jumps to where it belongs
  const CLOSE_S = 0.015; // nearer than this, it is let alone; between the two it plays a little faster or slower
  const MOST_CHANGE = 0.25;
  const STEP = 0.05; // of the pace: each change costs the browser a moment

  document.documentElement.classList.add("scripted");

  // The reader's language: as chosen on the page of `netflips serve`, else that of the browser.
  let chosen = null;
  try {
    chosen = localStorage.getItem("netflips-labels");
  } catch {
    // a file has no storage
  }
  document.documentElement.lang = (chosen ?? navigator.language).startsWith("ko") ? "ko" : "en";
  if (document.documentElement.lang === "ko") {
    for (const one of document.querySelectorAll("[data-ko]")) one.textContent = one.dataset.ko;
    for (const one of document.querySelectorAll("[data-play-ko]")) {
      Object.assign(one.dataset, { play: one.dataset.playKo, stop: one.dataset.stopKo });
      one.textContent = one.dataset.play;
    }
  }

  const clock = (seconds) => {
    const tenths = Math.floor((seconds || 0) * 10 + 0.01);
    return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
  };

  const name = (button, isPlaying) => {
    button.textContent = isPlaying ? button.dataset.stop : button.dataset.play;
  };

  // Calls `step` before each frame while something plays, and now and then where no frames are drawn.
  const watch = (media, step) => {
    const again = () => {
      step();
      if (!media.paused) requestAnimationFrame(again);
    };
    media.addEventListener("play", again);
    for (const event of ["timeupdate", "pause", "ended", "seeked"]) media.addEventListener(event, step);
  };

  const players = new Map();

  for (const box of document.querySelectorAll(".player[data-stretches]")) {
    const [original, dub] = [".original", ".dub"].map((which) => box.querySelector(`${which} :is(video, audio)`));
    const [button, slider, time, heard, together] = ["toggle", "seek", "time", "heard", "together"].map((part) =>
      box.querySelector(`.${part}`),
    );
    const stretches = JSON.parse(box.dataset.stretches);
    const [lastStart, lastStop, lastSource] = stretches[stretches.length - 1];
    let until = Infinity;

    // Where the original stands at a time of the dub, and whether it moves.
    const belongs = (now) => {
      let at = stretches[0][2];
      let moves = false;
      for (const [start, stop, source] of stretches) {
        if (now < start) break;
        at = source + Math.min(now, stop) - start;
        moves = now < stop;
      }
      return { at, moves };
    };

    const follow = () => {
      if (!together.checked) return;
      if (dub.ended) {
        if (original.currentTime >= lastSource + lastStop - lastStart) original.pause();
        return;
      }
      const { at, moves } = belongs(dub.currentTime);
      const ahead = original.currentTime - at;
      const goes = moves && !dub.paused;
      if (Math.abs(ahead) > (goes ? JUMP_S : CLOSE_S) && !original.seeking) original.currentTime = at;
      const change = Math.abs(ahead) > CLOSE_S ? Math.max(-MOST_CHANGE, Math.min(2 * ahead, MOST_CHANGE)) : 0;
      const pace = dub.playbackRate * (1 - Math.round(change / STEP) * STEP);
      if (original.playbackRate !== pace) original.playbackRate = pace;
      if (goes && original.paused) original.play().catch(() => {});
      if (!goes && !original.paused) original.pause();
    };

    const show = () => {
      if (dub.currentTime >= until) {
        until = Infinity;
        dub.pause();
      }
      follow();
      name(button, !dub.paused || (dub.ended && !original.paused));
      if (dub.duration) slider.max = dub.duration;
      slider.value = dub.currentTime;
      time.textContent = `${clock(dub.currentTime)} / ${clock(Number(slider.max))}`;
    };

    const choose = () => {
      original.muted = together.checked && heard.value === "dub";
      dub.muted = together.checked && heard.value === "original";
      for (const one of [original, dub]) one.controls = !together.checked;
      for (const one of [button, slider, heard]) one.disabled = !together.checked;
      if (!together.checked) original.playbackRate = 1;
      show();
    };

    const play = (from, to) => {
      until = to;
      dub.currentTime = from;
      original.currentTime = belongs(from).at;
      dub.play().catch(show);
    };

    button.addEventListener("click", () => {
      until = Infinity;
      if (dub.ended && original.paused) play(0, Infinity);
      else if (dub.ended) original.pause();
      else if (dub.paused) dub.play().catch(show);
      else dub.pause();
    });
    slider.addEventListener("input", () => {
      until = Infinity;
      dub.currentTime = Number(slider.value);
      show();
    });
    for (const one of [heard, together]) one.addEventListener("change", choose);
    for (const one of [original, dub]) {
      watch(one, show);
      one.addEventListener("loadedmetadata", show);
      one.addEventListener("error", () => {
        together.checked = false;
        together.disabled = true;
        choose();
      });
    }
    choose();
    players.set(box.id, { box, play, isTogether: () => together.checked });
  }

  for (const button of document.querySelectorAll("button.watch")) {
    const player = players.get(button.dataset.player);
    button.addEventListener("click", () => {
      if (!player || !player.isTogether()) return;
      player.box.scrollIntoView({ block: "nearest" });
      player.play(Number(button.dataset.from), Number(button.dataset.to));
    });
  }

  for (const line of document.querySelectorAll(".sound")) {
    const [sound, button] = [line.querySelector("audio"), line.querySelector("button")];
    const [from, to] = [Number(sound.dataset.from), Number(sound.dataset.to)];
    watch(sound, () => {
      if (!sound.paused && sound.currentTime >= to) sound.pause();
      name(button, !sound.paused);
    });
    button.addEventListener("click", () => {
      if (!sound.paused) return sound.pause();
      sound.currentTime = from;
      return sound.play().catch(() => name(button, false));
    });
    sound.addEventListener("error", () => {
      button.disabled = true;
    });
  }

  // What cannot be played says so in words; an error may have come before this script did.
  for (const video of document.querySelectorAll(".player :is(video, audio)")) {
    const tell = () => {
      video.parentElement.querySelector(".unplayable").hidden = false;
      video.hidden = true;
    };
    video.addEventListener("error", tell);
    if (video.error) video.dispatchEvent(new Event("error"));
  }

  // One thing is heard at a time: the two of a player count as one.
  document.addEventListener(
    "play",
    (event) => {
      const own = event.target.closest(".player");
      for (const one of document.querySelectorAll("video, audio")) {
        if (one !== event.target && !one.paused && !(own && own.contains(one))) one.pause();
      }
    },
    true,
  );
})();
