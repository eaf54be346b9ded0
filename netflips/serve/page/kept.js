// What was typed of a job and is not dubbed yet: a page that is opened again has it, until it is forgotten. This window has its
// own, by job: what another one dubs, or types, takes nothing away from it.
import { keep, recall, recalled } from "./words.js";

const typedName = (id) => `typed-${id}`;
const ours = new Map();

export const typedOf = (id) => {
  try {
    return ours.get(id) ?? JSON.parse(recall(typedName(id))) ?? {};
  } catch {
    return {};
  }
};

export const keepTyped = (id, typed) => {
  if (!typed && !Object.keys(ours.get(id) ?? {}).length) return; // what is kept may be another window's
  if (!typed) return forget(id);
  ours.set(id, typed);
  keep(typedName(id), JSON.stringify(typed));
};

export const forget = (id) => {
  ours.set(id, {});
  keep(typedName(id), null);
};

// Of jobs that are gone, nothing stays.
export const forgetOthers = (ids) => {
  const names = ids.map(typedName);
  for (const name of recalled("typed-")) if (!names.includes(name)) keep(name, null);
};

const BURST_MS = 1000; // what is typed into one field without a longer pause is one step

// Steps back and forth over states of an editor. state: the first one.
export const history = (state) => {
  const [past, future] = [[], []];
  let [last, lastField] = [0, null];
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  const step = (from, to) => {
    if (!from.length) return null;
    to.push(state);
    state = from.pop();
    lastField = null;
    return state;
  };
  return {
    now: () => state,
    can: () => [past.length > 0, future.length > 0],
    // field: where it was typed; null = nowhere, it is a step of its own.
    add(next, field) {
      if (same(next, state)) return;
      const isBurst = field && field === lastField && Date.now() - last < BURST_MS;
      if (!isBurst) past.push(state);
      future.length = 0;
      [state, last, lastField] = [next, Date.now(), field];
    },
    // The present state in another shape.
    settle: (next) => (state = next),
    undo: () => step(past, future),
    redo: () => step(future, past),
  };
};
