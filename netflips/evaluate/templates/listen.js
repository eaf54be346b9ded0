"use strict";
const about = JSON.parse(document.getElementById("about").textContent);
const answers = [];
const pair = (number) => document.getElementById("pair-" + number);

function show(number) {
  pair(number).hidden = false;
  document.getElementById("place").textContent = (number + 1) + " of " + about.pairs.length;
}

function choose(choice) {
  const number = answers.length;
  if (number >= about.pairs.length) return;

  // side 1 is the first system, or the second where they were swapped
  answers.push(choice === 0 ? 0 : about.pairs[number].swapped ? 3 - choice : choice);
  pair(number).querySelectorAll("video, audio").forEach((one) => one.pause());
  pair(number).hidden = true;
  if (answers.length < about.pairs.length) show(number + 1);
  else finish();
}

// by the two systems of a pair, in order
function results() {
  const found = new Map();
  about.pairs.forEach((one, number) => {
    const key = JSON.stringify(one.names);
    const counts = found.get(key) || [0, 0, 0];
    counts[answers[number]] += 1;
    found.set(key, counts);
  });

  return [...found].map(([key, [none, first, second]]) => {
    const [low, high] = about.intervals[first + second][first];
    return { names: JSON.parse(key), first, second, none, low, high };
  });
}

function finish() {
  const percent = (value) => (100 * value).toFixed(0) + " %";
  const lines = results().map((one) => {
    const decided = one.first + one.second;
    const preferred = decided ? percent(one.first / decided) + " (95 % interval " + percent(one.low) + " to " + percent(one.high) + ")" : "nothing decided";
    return one.names[0] + ": " + one.first + ", " + one.names[1] + ": " + one.second + ", no difference: " + one.none +
      ". Preference for the first: " + preferred + ".";
  });

  document.getElementById("said").textContent = lines.join("\n");
  const content = { answers: about.pairs.map((one, n) => ({ clip: one.clip, names: one.names, preferred: answers[n] })), results: results() };
  document.getElementById("save").href = "data:application/json;charset=utf-8," + encodeURIComponent(JSON.stringify(content, null, 1));

  document.getElementById("choices").hidden = true;
  document.getElementById("place").hidden = true;
  document.getElementById("result").hidden = false;
}

document.querySelectorAll("#choices button").forEach((one) => one.addEventListener("click", () => choose(Number(one.dataset.choice))));
document.addEventListener("keydown", (event) => { if (["0", "1", "2"].includes(event.key)) choose(Number(event.key)); });
show(0);
