// SPDX-License-Identifier: Apache-2.0
//
// What the network does to the links between nodes.
import { pairOf } from './world.mjs';
import { spawn } from 'node:child_process';
import { program, running } from '../e2e/harness.mjs';

export const links = [{
  id: 4,
  name: 'partition',
  what: 'n1 cut off from n2 and n3 for 10 s',
  needsWire: true,
  selected: true,
  async run(t) {
    const { n1, n2, n3, world } = t;
    const load = await t.load({ seconds: 20 });
    await load.at(2);
    const cut = performance.now();
    await world.between(n1, n2, 'cut');
    await world.between(n1, n3, 'cut');
    await load.at(12);
    t.note(`readyz meanwhile ${(await n1.ask('/readyz')).status}, ${(await n2.ask('/readyz')).status}`);
    t.logged(n2, 'member-dead', 'n1', cut);
    t.logged(n3, 'member-dead', 'n1', cut);
    const healed = load.now;
    await world.heal();
    const report = await t.finish(load);
    t.unharmed(report, [n2, n3]);
    t.unharmed(report, [n1]);
    t.healed(report, [n1], [n2, n3], healed, 5000);
  },
}, {
  id: 5,
  name: 'one-way',
  what: 'n1 to n2 cut for 12 s, n2 to n1 open',
  needsWire: true,
  async run(t) {
    const { n1, n2, n3, world } = t;
    const load = await t.load({ seconds: 22 });
    await load.at(2);
    const cut = performance.now();
    await world.rule(n1, n2, 'cut');
    await load.at(14);
    t.logged(n1, 'link-down', 'n2', cut, 5000);
    t.logged(n2, 'link-down', 'n1', cut, 5000);
    t.never(world.members, 'member-dead');
    const healed = load.now;
    await world.heal();
    const report = await t.finish(load);
    t.unharmed(report, [n1, n3]);
    t.unharmed(report, [n2, n3]);
    t.healed(report, [n1], [n2], healed, 5000);
  },
}, {
  id: 6,
  name: 'non-transitive',
  what: 'n1 and n2 cut off from each other for 15 s, both reach n3',
  needsWire: true,
  async run(t) {
    const { n1, n2, n3, world } = t;
    const load = await t.load({ seconds: t.options.full ? 70 : 25 });
    await load.at(2);
    const cut = performance.now();
    await world.between(n1, n2, 'cut');
    await load.at(t.options.full ? 62 : 17);
    t.never(world.members, 'member-dead');
    t.logged(n1, 'link-down', 'n2', cut, 5000);
    t.logged(n2, 'link-down', 'n1', cut, 5000);
    t.note(`dropped by n1 ${(await n1.numbers()).link_items_dropped_total}`);
    const healed = load.now;
    await world.heal();
    const report = await t.finish(load);
    t.unharmed(report, [n1, n3]);
    t.unharmed(report, [n2, n3]);
    t.healed(report, [n1], [n2], healed, 5000);
  },
}, {
  id: 7,
  name: 'bad-link',
  what: '30 % loss and 50 ms each way between n1 and n2 for 30 s',
  needsWire: true,
  async run(t) {
    const { n1, n2, n3, world } = t;
    const calm = await t.finish(await t.load({ seconds: 3 }));
    const seconds = t.options.full ? 600 : 30;
    const load = await t.load({ seconds: seconds + 8 });
    await load.at(1);
    await world.between(n1, n2, 'delay 50 jitter 10 loss 30');
    await load.at(seconds);
    const memory = Math.max(...world.members.map((m) => m.memory() - t.base.get(m.process.pid).memory));
    t.note(`memory meanwhile +${memory >> 10} MiB`);
    t.expect(memory < 64 << 10, `memory grew by ${memory >> 10} MiB: queues are not bounded`);
    await world.heal();
    const report = await t.finish(load);
    t.never(world.members, 'member-dead');
    t.unharmed(report, [n1, n3]);
    t.unharmed(report, [n2, n3]);
    t.note(`p99 on it ${pairOf(calm, n1, n2).p99_ms} -> ${pairOf(report, n1, n2).p99_ms} ms, elsewhere ` +
      `${t.p99(calm, [n1, n3])} -> ${t.p99(report, [n1, n3])} ms`);
  },
}, {
  id: 8,
  name: 'thin-link',
  what: '1 Mbit/s from n1 to n2 for 12 s, eight times as much to carry',
  needsWire: true,
  async run(t) {
    const { n1, n2, n3, world } = t;
    const load = await t.load({ seconds: 26 });
    const bulk = await startBulk(t, n1, [n1, n2]);
    await load.at(2);
    const before = (await n1.numbers()).link_items_dropped_total;
    await world.rule(n1, n2, 'rate 125000 queue 65536');
    await load.at(14);
    const dropped = (await n1.numbers()).link_items_dropped_total - before;
    t.note(`dropped ${dropped}`);
    t.expect(dropped > 0, 'nothing was counted as dropped on the link');
    await bulk.end();
    const healed = load.now;
    await world.heal();
    const report = await t.finish(load);
    t.unharmed(report, [n1, n3]);
    t.unharmed(report, [n2, n3]);
    t.healed(report, [n1], [n2], healed, 5000);
    t.never(world.members, 'member-dead');
  },
}];

// About 1 MB a second from one node, wanted on others.
async function startBulk(t, from, to) {
  const env = { STARLING_TOKEN: t.world.token };
  const spawnOne = (words, url, stdio) => {
    const child = spawn(program, words, { env: { ...process.env, ...env, STARLING_URL: url }, stdio });
    running.add(child);
    child.on('exit', () => running.delete(child));
    return child;
  };
  const subscribers = to.map((member) => spawnOne(['sub', 'demo', 'bulk'], member.url, 'ignore'));
  const publisher = spawnOne(['pub', 'demo', 'bulk', '-', '--rate', '1000'], from.url, ['pipe', 'ignore', 'ignore']);
  const line = `${'x'.repeat(1000)}\n`.repeat(100);
  publisher.stdin.on('error', () => {});
  const timer = setInterval(() => publisher.stdin.writableLength < 1 << 20 && publisher.stdin.write(line), 50);
  return {
    async end() {
      clearInterval(timer);
      for (const child of [publisher, ...subscribers]) child.kill('SIGKILL');
    },
  };
}
