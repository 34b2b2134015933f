// SPDX-License-Identifier: Apache-2.0
//
// What happens to the processes of nodes: they die, stand still, starve, end.
import { spawn } from 'node:child_process';
import { running, sleep, until } from '../e2e/harness.mjs';
import { Mover } from './mover.mjs';
import { pairOf } from './world.mjs';

export const processes = [{
  id: 1,
  name: 'kill',
  what: 'kill -9 of n2',
  selected: true,
  async run(t) {
    const { n1, n2, n3 } = t;
    const load = await t.load({ seconds: 14 });
    const movers = [n2, n2, n2].map((from) => new Mover(t, [from, n1]));
    for (const mover of movers) await mover.begun;
    await load.at(2);
    const killed = performance.now();
    await n2.kill();
    await load.at(12);
    for (const member of [n1, n3]) {
      t.logged(member, 'link-down', 'n2', killed, 3000);
      t.logged(member, 'member-dead', 'n2', killed, 3000);
      const seen = (await member.cluster()).members.find((m) => m.name === 'n2');
      t.expect(!seen || (seen.state === 'dead' && !seen.linked), `${member.name} still counts on n2`);
    }
    t.time('its clients were elsewhere', Math.max(...movers.map((mover) => mover.movedAfter(killed))), 5000);
    for (const mover of movers) await mover.end();
    const report = await t.finish(load);
    t.unharmed(report, [n1, n3]);
  },
}, {
  id: 2,
  name: 'stop',
  what: 'SIGSTOP of n2 for 10 s, then SIGCONT',
  selected: true,
  async run(t) {
    const { n1, n2, n3, world } = t;
    const calm = await t.finish(await t.load({ seconds: 3 }));
    const load = await t.load({ seconds: 20 });
    await load.at(2);
    const stopped = performance.now();
    n2.stop();
    await load.at(12);
    for (const member of [n1, n3]) {
      t.logged(member, 'member-suspect', 'n2', stopped);
      t.logged(member, 'link-down', 'n2', stopped);
    }
    const healed = load.now;
    n2.go();
    t.time('all see all again', await world.isWhole(), 5000);
    const report = await t.finish(load);
    t.unharmed(report, [n1, n3]);
    t.healed(report, [n2], [n1, n3], healed, 5000);
    const [before, meanwhile] = [t.p99(calm, [n1, n3]), t.p99(report, [n1, n3])];
    t.note(`p99 of the others ${before} -> ${meanwhile} ms`);
    t.expect(!t.isQuiet || meanwhile < Math.max(2 * before, 20), 'the others got slow');
    for (const from of [n1, n3]) {
      const { max_ms: oldest } = pairOf(report, from, n2);
      t.note(`oldest ${from.name}>n2 ${Math.round(oldest)} ms`);
      t.expect(oldest < 5000, `n2 passed on an item of ${from.name} that was ${Math.round(oldest)} ms old as fresh`);
    }
  },
}, {
  id: 3,
  name: 'pause',
  what: 'SIGSTOP of n2 for 1 s',
  selected: true,
  async run(t) {
    const { n1, n2, n3, world } = t;
    const load = await t.load({ seconds: 6 });
    await load.at(2);
    n2.stop();
    await load.at(3);
    n2.go();
    const report = await t.finish(load);
    t.never(world.members, 'member-dead');
    t.never(world.members, 'link-down');
    t.unharmed(report, [n1, n2, n3]);
  },
}, {
  id: 10,
  name: 'suspend',
  what: 'SIGSTOP of all nodes for 10 s, as a host that sleeps',
  async run(t) {
    const { world } = t;
    const load = await t.load({ seconds: 20 });
    await load.at(2);
    for (const member of world.members) member.stop();
    await load.at(12);
    const woke = performance.now();
    for (const member of world.members) member.go();
    t.time('all see all again', await world.isWhole(), 5000);
    const report = await t.finish(load);
    t.note(`reconnects ${report.reconnects}`);
    t.expect(report.reconnects === 0, `${report.reconnects} clients were cut although none of them was away`);
    t.never(world.members, 'member-dead', null, woke);
  },
}, {
  id: 11,
  name: 'restart-all',
  what: 'kill -9 of all nodes, all started at once from static seeds',
  selected: true,
  world: {},
  async run(t) {
    const { world } = t;
    const load = await t.load({ seconds: 12 });
    await load.at(2);
    await Promise.all(world.members.map((member) => member.kill()));
    for (const member of world.members) member.options.join = world.members.filter((other) => other !== member);
    const started = performance.now();
    for (const member of [...world.members].reverse()) member.spawn();
    await Promise.all(world.members.map((member) => member.ready()));
    await world.isWhole();
    t.time('formed after', performance.now() - started, 5000);
    await t.finish(load);
  },
}, {
  id: 21,
  name: 'flap',
  what: 'n2 killed and started every 2 s, five times',
  async run(t) {
    const { n1, n2, n3 } = t;
    const times = t.options.full ? 75 : 5;
    const load = await t.load({ seconds: 4 * times + 6 });
    n2.options.join = [n1, n3];
    for (let i = 0; i < times; i += 1) {
      await load.at(4 * i + 2);
      await n2.kill();
      await load.at(4 * i + 4);
      n2.spawn();
    }
    await n2.ready();
    const report = await t.finish(load);
    t.unharmed(report, [n1, n3]);
    const { members } = await n1.cluster();
    t.note(`n1 remembers ${members.filter((m) => m.name === 'n2' && m.state !== 'alive').length} dead lives of n2`);
  },
}, {
  id: 22,
  name: 'hog',
  what: 'n2 starved: its processor hogged, stopped 80 % of the time, then still for 4 s',
  async run(t) {
    const { n1, n2, n3, world } = t;
    const load = await t.load({ seconds: 24 });
    const hogs = Array.from({ length: 4 }, () => spawn('taskset', ['-c', '0', 'sh', '-c', 'while :; do :; done'],
      { stdio: 'ignore' }));
    for (const hog of hogs) running.add(hog);
    await new Promise((done) => {
      spawn('taskset', ['-a', '-p', '-c', '0', String(n2.process.pid)], { stdio: 'ignore' }).on('exit', done);
    });
    await load.at(8);
    const stolen = performance.now();
    for (; load.now < 14000;) {
      n2.stop();
      await sleep(400);
      n2.go();
      await sleep(100);
    }
    t.never(world.members, 'member-dead');
    t.note(`starved and stolen from for ${Math.round((performance.now() - stolen) / 1000 + 8)} s`);
    for (const hog of hogs) {
      hog.kill('SIGKILL');
      running.delete(hog);
    }
    n2.stop();
    await load.at(18);
    n2.go();
    await world.isWhole();
    for (const name of ['n1', 'n3']) t.never(world.members, 'member-dead', name);
    t.note(`n2 was called dead ${[n1, n3].reduce((sum, member) => sum + member.count('member-dead', ' peer=n2 '), 0)} times in the 4 s`);
    const report = await t.finish(load);
    t.unharmed(report, [n1, n3]);
  },
}, {
  id: 27,
  name: 'end-in-trouble',
  what: 'SIGTERM of n1 while it is cut off, and of n4 while it joins',
  needsWire: true,
  world: { places: 4 },
  async run(t) {
    const { n1, n2, n3, world } = t;
    const load = await t.load({ seconds: 16, members: [n2, n3] });
    await load.at(1);
    await world.between(n1, n2, 'cut');
    await world.between(n1, n3, 'cut');
    await load.at(3);
    let start = performance.now();
    const code = await n1.kill('SIGTERM');
    t.time('n1 ended after', performance.now() - start, 20000);
    t.expect(code === 0, `n1 ended with ${code}`);
    await world.rule('*', { place: 4 }, 'cut');
    const n4 = await world.add('n4', 'eu', { place: 4, join: [n2], ready: false });
    await until('n4 runs', 5000, () => n4.log.includes('node-listening'));
    start = performance.now();
    const other = await n4.kill('SIGTERM');
    t.time('n4 ended after', performance.now() - start, 20000);
    t.expect(other === 0, `n4 ended with ${other}`);
    const report = await t.finish(load);
    t.unharmed(report, [n2, n3]);
  },
}];
