// SPDX-License-Identifier: Apache-2.0
//
// Real text through the real program: 100,000 lines published on one node at
// 20,000 a second, read on three others in both regions, compared byte by byte.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { command, run, startCluster, stopAll, until } from './harness.mjs';

const LINES = 100000;
const RATE = 20000;

// The package lists of this machine, repeated, with odd lines among them:
// empty ones, bytes that are no UTF-8, control bytes, very long ones.
function input() {
  const folder = '/var/lib/dpkg/info';
  const names = fs.readdirSync(folder).filter((name) => name.endsWith('.list')).sort();
  const odd = [Buffer.from(''), Buffer.from([0xff, 0xfe, 0x00, 0x80]), Buffer.from('a\rb\tc\u2028d\u0000e'),
    Buffer.from('\ufeff"\\<script>\u00e9\u{1f426}'), Buffer.alloc(20000, 'x'), Buffer.from([0xc3])];
  const lines = [];
  while (lines.length < LINES) {
    for (const name of names) {
      lines.push(...fs.readFileSync(`${folder}/${name}`).toString('latin1').split('\n')
        .map((line) => Buffer.from(line, 'latin1')));
      lines.push(odd[lines.length % odd.length]);
      if (lines.length >= LINES) break;
    }
  }
  lines.length = LINES;
  return Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]));
}

let nodes = [];
before(async () => { nodes = await startCluster(['eu', 'us', 'eu']); });
after(() => stopAll(nodes));

test('what goes in on one node comes out on the others, byte for byte', { timeout: 120000 }, async () => {
  const wanted = input();
  const subscribers = nodes.map((node) => command(
    ['sub', 'logs', 'web', '--count', String(LINES), '--barrier=all'], { url: node.url }));
  for (const node of nodes) {
    await until(`a subscription on ${node.name}`, 10000, async () => (await node.cluster()).subscriptions === 1);
  }
  // Every node must know of every subscription before the first line.
  for (const node of nodes) {
    await until(`${node.name} knows who wants it`, 10000, async () => (await node.cluster()).members
      .every((m) => m.self || m.topics === 1));
  }
  const published = await run(['pub', 'logs', 'web', '-', '--rate', String(RATE)],
    { url: nodes[0].url, input: wanted });
  assert.equal(published.stderr, '');
  assert.equal(published.code, 0);
  for (const subscriber of subscribers) {
    const got = await subscriber.done;
    assert.equal(got.stderr, '');
    assert.equal(got.code, 0);
    assert.equal(got.stdout.length, wanted.length);
    assert.ok(got.stdout.equals(wanted));
  }
});
