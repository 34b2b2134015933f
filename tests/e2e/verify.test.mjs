// SPDX-License-Identifier: Apache-2.0
//
// `starling verify` against a cluster that is left alone, and against one whose
// nodes die, stand still and come back meanwhile: nothing may be lost untold.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { run, sleep, startCluster, stopAll, until } from './harness.mjs';

let nodes = [];
before(async () => { nodes = await startCluster(['eu', 'us', 'eu']); });
after(() => stopAll(nodes));

const verify = (seconds) => run(['verify', '--seconds', String(seconds)], { url: nodes[0].url });

function report({ code, stdout, stderr }) {
  const text = stdout.toString();
  console.log(text.trim().split('\n').map((line) => `# ${line}`).join('\n'));
  assert.equal(stderr, '');
  assert.equal(code, 0);
  const numbers = text.match(/(\d+) items, (\d+) delivered, (\d+) told, (\d+) untold/).slice(1).map(Number);
  return { items: numbers[0], delivered: numbers[1], told: numbers[2], untold: numbers[3] };
}

const whole = async () => {
  for (const node of nodes) {
    await until(`${node.name} sees all`, 20000, () => node.sees(nodes.map((n) => n.name)));
  }
};

test('left alone, nothing is missing', { timeout: 60000 }, async () => {
  const seen = report(await verify(4));
  assert.ok(seen.items > 100);
  assert.equal(seen.delivered, seen.items * 9);
});

test('kill -9 and a restart: whatever is missing is told', { timeout: 60000 }, async () => {
  const checking = verify(8);
  await sleep(2000);
  await nodes[1].kill('SIGKILL');
  await sleep(1500);
  nodes[1].options.join = [nodes[0], nodes[2]];
  nodes[1].spawn();
  await nodes[1].ready();
  report(await checking);
  await whole();
});

test('a node that stands still for three seconds: whatever is missing is told', { timeout: 60000 }, async () => {
  const checking = verify(8);
  await sleep(2000);
  nodes[2].process.kill('SIGSTOP');
  await sleep(3000);
  nodes[2].process.kill('SIGCONT');
  report(await checking);
  await whole();
});
