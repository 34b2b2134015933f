// SPDX-License-Identifier: Apache-2.0
//
// A case is a name and a body; each prints one line.
import assert from 'node:assert/strict';

export const DEADLINE_MS = 30000;
const wanted = process.argv.slice(2).filter((word) => !word.startsWith('-'));
export const tally = { passed: 0, failed: 0 };

export const pause = (ms) => new Promise((go) => { setTimeout(go, ms); });

// Waits until ask() is truthy and gives that.
export async function until(what, ask, ms = DEADLINE_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    assert.ok(Date.now() < end, `timed out: ${what}`);
    await pause(10);
  }
}

// Does it again and again until it is heard: an acknowledged subscription holds in
// its own region, and a little later in the others.
export async function warm(what, send, heard, ms = DEADLINE_MS) {
  const end = Date.now() + ms;
  while (!heard()) {
    assert.ok(Date.now() < end, `never heard: ${what}`);
    await send();
    await pause(20);
  }
}

const matches = (name) => wanted.length === 0 || wanted.some((word) => name.includes(word));

// Whether any case of a group with these names is asked for.
export const anyWanted = (cases) => Object.keys(cases).some(matches);

async function one(name, body) {
  const open = [];
  const start = Date.now();
  let timer;
  try {
    await Promise.race([
      body((thing) => { open.push(thing); return thing; }),
      new Promise((_, fail) => { timer = setTimeout(() => fail(new Error('takes too long')), 3 * DEADLINE_MS); }),
    ]);
    tally.passed += 1;
    console.log(`ok      ${name} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  } catch (error) {
    tally.failed += 1;
    console.log(`FAILED  ${name}: ${error.stack}`);
  }
  clearTimeout(timer);
  await Promise.allSettled(open.map((thing) => thing.close()));
}

// cases: name -> body(later); what a body hands to `later` is closed after it.
// `width` of them run at a time.
export async function inParallel(cases, width) {
  const waiting = Object.entries(cases).filter(([name]) => matches(name));
  const worker = async () => {
    while (waiting.length > 0) await one(...waiting.shift());
  };
  await Promise.all(Array.from({ length: width }, worker));
}

let topics = 0;
// A topic of its own for each use.
export const freshTopic = () => { topics += 1; return `t${process.pid}-${topics}`; };
