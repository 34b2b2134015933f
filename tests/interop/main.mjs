// SPDX-License-Identifier: Apache-2.0
//
// Clients that others wrote, against real nodes: those on the given ports, or
// without ports a cluster of three in two regions that ends with this process.
//   INTEROP_MODULES=DIR STARLING=PROGRAM [REGIONS=eu,eu,us] node main.mjs [PORT...]
import assert from 'node:assert/strict';
import { checkLibraries } from './libraries_check.mjs';
import { checkTools } from './tools_check.mjs';

const DEADLINE_MS = 20000;
let passed = 0;
let failed = 0;

// Waits until test() is true.
async function until(what, test) {
  const end = Date.now() + DEADLINE_MS;
  while (!test()) {
    assert.ok(Date.now() < end, `timed out: ${what}`);
    await new Promise((go) => { setTimeout(go, 5); });
  }
}

// Sends again and again until it is heard: a confirmed subscription holds in its
// own region, and a little later in the others.
async function warm(what, send, heard) {
  const end = Date.now() + DEADLINE_MS;
  while (!heard()) {
    assert.ok(Date.now() < end, `never heard: ${what}`);
    await send();
    await new Promise((go) => { setTimeout(go, 20); });
  }
}

// Runs one check; what it hands to `later` is closed after it.
async function check(name, body) {
  const open = [];
  try {
    await body((thing) => { open.push(thing); return thing; });
    passed += 1;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}: ${error.stack}`);
  }
  await Promise.allSettled(open.map((thing) => thing.close()));
}

// Also a way to start one more node, which close() kills.
async function start() {
  const { Node, startCluster } = await import('../e2e/harness.mjs');
  const nodes = await startCluster((process.env.REGIONS || 'eu,eu,us').split(','));
  const spare = async (name) => {
    const node = await Node.start({ name, join: nodes });
    return { port: node.port, close: () => node.kill() };
  };
  return { ports: nodes.map((node) => node.port), spare };
}

const named = process.argv.slice(2).map(Number);
const cluster = named.length > 0 ? { ports: named } : await start();
const world = { ...cluster, check, until, warm, run: `interop-${process.pid}` };
await checkTools(world);
await checkLibraries(world);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
