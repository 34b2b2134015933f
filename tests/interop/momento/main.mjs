// SPDX-License-Identifier: Apache-2.0
//
// All cases (tests/interop/momento/run); words after it choose those whose names
// contain one of them.
import { basicCases } from './basic.mjs';
import { Browser } from './browser.mjs';
import { anyWanted, inParallel, tally } from './cases.mjs';
import { chatCases } from './chat.mjs';
import { faultCases } from './faults.mjs';
import { httpCases } from './http.mjs';
import { endAll, keyedNodes, openNodes } from './nodes.mjs';
import { rightsCases } from './rights.mjs';
import { steadyCases } from './steady.mjs';
import { tlsCases } from './tls.mjs';
import { webCases } from './web.mjs';

// What is begun only when a case wants it, and once.
const once = (make) => {
  let made;
  const give = () => { made ??= make(); return made; };
  give.isMade = () => made !== undefined;
  return give;
};
const browser = once(Browser.start);
const keyed = once(keyedNodes);
const blank = { nodes: [{}, {}], keys: {} };
const open = once(openNodes);

// cases(nodes): only begun if any of them is asked for.
async function group(name, width, cases, nodes) {
  if (!anyWanted(cases(nodes === keyed ? blank : blank.nodes))) return;
  try {
    await inParallel(cases(nodes && await nodes()), width);
  } catch (error) {
    tally.failed += 1;
    console.log(`FAILED  ${name} could not begin: ${error.stack}`);
  }
}

const start = Date.now();
await Promise.all([ // mostly wait
  group('steady', 8, (nodes) => steadyCases('Node SDK', nodes), open),
  group('faults', 5, () => faultCases),
  group('basic', 1, basicCases, open),
  group('rights', 1, rightsCases, keyed),
  group('http', 1, httpCases, keyed),
]);
await Promise.all([
  group('browser', 4, (nodes) => webCases(browser, nodes, keyed), open),
  group('TLS', 1, () => tlsCases(browser)),
]);
await group('chat', 1, () => chatCases(browser));
if (browser.isMade()) await (await browser()).close();
const bad = await endAll();
for (const line of bad) console.log(`FAILED  ${line}`);
const seconds = ((Date.now() - start) / 1000).toFixed(0);
console.log(`${tally.passed} passed, ${tally.failed + bad.length} failed, ${seconds} s`);
process.exit(tally.failed + bad.length === 0 && tally.passed > 0 ? 0 : 1);
