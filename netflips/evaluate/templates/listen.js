"use strict";
const about = JSON.parse(document.getElementById("about").textContent);
const answers = [];
const pair = (number) => document.getElementById("pair-" + number);

function show(number) {
  pair(number).hidden = false;
  document.getElementById("place").textContent = (number + 1) + " of " + about.clips.length;
}

function choose(choice) {
  const number = answers.length;
  if (number >= about.clips.length) return;
  // side 1 is the first system, or the second where they were swapped
  answers.push(choice === 0 ? 0 : about.swapped[number] ? 3 - choice : choice);
  pair(number).querySelectorAll("video, audio").forEach((one) => one.pause());
  pair(number).hidden = true;
  if (answers.length < about.clips.length) show(number + 1);
  else finish();
}

function finish() {
  const [none, first, second] = [0, 1, 2].map((which) => answers.filter((one) => one === which).length);
  const decided = first + second;
  const [low, high] = about.intervals[decided][first];
  const percent = (value) => (100 * value).toFixed(0) + " %";
  const preferred = decided ? percent(first / decided) + " (95 % interval " + percent(low) + " to " + percent(high) + ")" : "nothing decided";
  document.getElementById("said").textContent =
    about.names[0] + ": " + first + ", " + about.names[1] + ": " + second + ", no difference: " + none +
    ". Preference for the first: " + preferred + ".";
  const content = { names: about.names, answers: about.clips.map((clip, n) => ({ clip, preferred: answers[n] })), first, second, none, low, high };
  document.getElementById("save").href = "data:application/json;charset=utf-8," + encodeURIComponent(JSON.stringify(content, null, 1));
  document.getElementById("choices").hidden = true;
  document.getElementById("place").hidden = true;
  document.getElementById("result").hidden = false;
}

document.querySelectorAll("#choices button").forEach((one) => one.addEventListener("click", () => choose(Number(one.dataset.choice))));
document.addEventListener("keydown", (event) => { if (["0", "1", "2"].includes(event.key)) choose(Number(event.key)); });
show(0);
