// SPDX-License-Identifier: Apache-2.0
//
// A node dies under load, comes back, and another one joins.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Node, command, run, sleep, startCluster, stopAll, until } from './harness.mjs';

let nodes = [];
before(async () => { nodes = await startCluster(['eu', 'us', 'eu']); });
after(() => stopAll(nodes));

const LINES = 20000;
const numbers = (count) => Array.from({ length: count }, (_, i) => `${i}\n`).join('');

test('a publisher waits for a node that pauses', { timeout: 60000 }, async () => {
  const [a] = nodes;
  const publisher = run(['pub', 'demo', 'pause', '-', '--rate', '2000'], { url: a.url, input: numbers(2000) });
  await until('load flows', 5000, async () => /starling_messages_published_total [1-9]/
    .test((await (await fetch(`${a.url}/metrics`)).text())));
  a.process.kill('SIGSTOP');
  await sleep(300);
  a.process.kill('SIGCONT');
  const { code, stderr } = await publisher;
  assert.equal(stderr, '');
  assert.equal(code, 0);
});

test('kill -9 of one node costs the others nothing', { timeout: 60000 }, async () => {
  const [a, victim, b] = nodes;
  const subscriber = command(['sub', 'demo', 'load', '--count', String(LINES)], { url: b.url });
  await until('the subscription is known', 10000, async () => (await a.cluster()).members
    .some((m) => m.name === b.name && m.topics === 1));
  const publisher = run(['pub', 'demo', 'load', '-', '--rate', '5000'], { url: a.url, input: numbers(LINES) });
  await until('load flows', 5000, async () => /starling_messages_published_total [1-9]/
    .test((await (await fetch(`${a.url}/metrics`)).text())));
  await victim.kill('SIGKILL');
  const start = Date.now();
  await until('the dead node is gone', 20000, async () => (await a.cluster()).members
    .every((m) => m.name !== victim.name || m.state === 'dead'));
  const took = Date.now() - start;
  assert.equal((await publisher).code, 0);
  const got = await subscriber.done;
  assert.equal(got.code, 0);
  assert.equal(got.stdout.toString(), numbers(LINES));
  console.log(`# the dead node was gone after ${took} ms`);
});

test('started again, it takes part within seconds', { timeout: 60000 }, async () => {
  const [a, victim, b] = nodes;
  victim.options.join = [a, b];
  victim.spawn();
  await victim.ready();
  for (const node of nodes) {
    await until(`${node.name} sees all`, 5000, () => node.sees(nodes.map((n) => n.name)));
  }
  // Topics of earlier tests linger, so one more than before is what tells.
  const topicsOf = async (name) => (await victim.cluster()).members.find((m) => m.name === name)?.topics ?? 0;
  const before = await topicsOf(b.name);
  const subscriber = command(['sub', 'demo', 'again', '--count', '1'], { url: b.url });
  await until('the subscription is known', 5000, async () => await topicsOf(b.name) > before);
  assert.equal((await run(['pub', 'demo', 'again', 'back'], { url: victim.url })).code, 0);
  assert.equal((await subscriber.done).stdout.toString(), 'back\n');
});

test('one more node needs one address and nothing else', { timeout: 60000 }, async () => {
  const fourth = await Node.start({ name: 'n4', region: 'eu', join: [nodes[0]] });
  nodes.push(fourth);
  for (const node of nodes) {
    await until(`${node.name} sees all four`, 10000, () => node.sees(nodes.map((n) => n.name)));
  }
  const subscriber = command(['sub', 'demo', 'grown', '--count', '1'], { url: fourth.url });
  await until('its subscription is known', 5000, async () => (await nodes[1].cluster()).members
    .some((m) => m.name === 'n4' && m.topics === 1));
  assert.equal((await run(['pub', 'demo', 'grown', 'hello'], { url: nodes[1].url })).code, 0);
  assert.equal((await subscriber.done).stdout.toString(), 'hello\n');
});

test('SIGTERM ends a node in order', { timeout: 60000 }, async () => {
  const leaving = nodes.pop();
  assert.equal(await leaving.kill('SIGTERM'), 0);
  for (const node of nodes) {
    await until(`${node.name} saw it leave`, 5000, () => node.sees(nodes.map((n) => n.name)));
  }
});
