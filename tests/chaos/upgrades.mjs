// SPDX-License-Identifier: Apache-2.0
//
// What people do to a cluster: set clocks, change versions, names and DNS.
import { execFile } from 'node:child_process';
import dgram from 'node:dgram';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { get, program, run, until } from '../e2e/harness.mjs';
import { build } from './world.mjs';

// The wall clock of a member, in seconds away from the truth (clock.c).
function setClock(member, seconds) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(seconds));
  const file = fs.openSync(member.options.env.CHAOS_CLOCK, 'r+');
  fs.writeSync(file, bytes, 0, 8, 0);
  fs.closeSync(file);
}

// The same program with another version text, of the same length.
function otherVersion(folder) {
  const other = path.join(folder, 'starling-next');
  const bytes = fs.readFileSync(program);
  const [from, to] = [Buffer.from('0.1.0'), Buffer.from('0.1.1')];
  for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at)) to.copy(bytes, at);
  fs.writeFileSync(other, bytes, { mode: 0o755 });
  return other;
}

// A program that speaks versions 3 to 3 with other nodes: a copy of the sources
// with other numbers, built once.
async function laterVersion() {
  const folder = path.resolve(build, 'chaos-later');
  const script = `
    mkdir -p "$1/src" && cp -Rpu CMakeLists.txt node cluster proto tests "$1/src"
    sed -i -E 's/(PEER|GOSSIP)_VERSION(_MIN)? = [0-9]+/\\1_VERSION\\2 = 3/' "$1/src/proto/peer.h" "$1/src/proto/gossip.h"
    cmake -S "$1/src" -B "$1/build" -G Ninja && cmake --build "$1/build" --target starling`;
  await promisify(execFile)('sh', ['-ec', script, 'sh', folder], { maxBuffer: 1 << 26 });
  return path.join(folder, 'build', 'starling');
}

// Answers every question for an address with `to`, or with silence.
class Names {
  constructor(host) {
    this.to = null;
    this.socket = dgram.createSocket('udp4');
    this.socket.on('message', (query, from) => this.answer(query, from));
    this.bound = new Promise((done) => { this.socket.bind(53, host, done); });
  }

  answer(query, from) {
    if (!this.to) return;
    const end = query.indexOf(0, 12) + 5;
    const isAddress = query.readUInt16BE(end - 4) === 1; // A; for AAAA: none
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(0x8180, 2);
    head.writeUInt16BE(isAddress ? 1 : 0, 6);
    head.fill(0, 8, 12);
    const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, ...this.to.split('.').map(Number)]);
    this.socket.send(Buffer.concat([head, query.subarray(12, end), ...(isAddress ? [record] : [])]), from.port, from.address);
  }
}

export const upgrades = [{
  id: 9,
  name: 'clock',
  what: 'wall clock of n2, then of all, set by 30 s, 1 h and 1 day, both ways',
  selected: true,
  world: {
    each: (name, folder) => {
      const file = path.join(folder, `clock-${name}`);
      fs.writeFileSync(file, Buffer.alloc(8));
      return { env: { LD_PRELOAD: path.resolve(build, 'libchaos_clock.so'), CHAOS_CLOCK: file,
        ASAN_OPTIONS: 'verify_asan_link_order=0' } };
    },
  },
  async run(t) {
    const { n2, world } = t;
    const short = await world.mint('--ttl', '1h');
    const ask = (member) => get(`${member.url}/topics/demo/clock`,
      { method: 'POST', body: 'x', headers: { Authorization: short } });
    const load = await t.load({ seconds: 16 });
    let second = 1;
    for (const members of [[n2], world.members]) {
      for (const jump of [30, 3600, 86400, -3600, -86400, 0]) {
        await load.at(second += 1);
        for (const member of members) setClock(member, jump);
        const { status, text } = await ask(n2);
        if (jump > 3600) {
          t.expect(status === 401 && /expired/.test(text), `an hour's token a day later: ${status} ${text}`);
        } else if (jump < 3600) {
          t.expect(status === 204, `an hour's token at ${jump} s: ${status} ${text}`);
        }
      }
    }
    const report = await t.finish(load);
    t.never(world.members, 'member-dead');
    t.never(world.members, 'member-suspect');
    t.never(world.members, 'link-down');
    t.unharmed(report, world.members);
    t.expect(report.reconnects === 0, `${report.reconnects} clients were cut`);
  },
}, {
  id: 12,
  name: 'upgrade',
  what: 'each node in turn drained, ended and started with another version, then back',
  world: { each: () => ({ program: process.env.CHAOS_OLD || program }) },
  async run(t) {
    const { n1, world } = t;
    const old = process.env.CHAOS_OLD || program;
    const next = process.env.CHAOS_OLD ? program : otherVersion(world.folder);
    t.note(process.env.CHAOS_OLD ? 'N: CHAOS_OLD, N+1: this program' : 'N: this program, N+1: the same as version 0.1.1');
    for (const [way, to] of [['up', next], ['back', old]]) {
      for (const [i, member] of world.members.entries()) {
        await roll(t, member, to, way);
        if (i === 0) await mixed(t, way);
      }
      if (way === 'up' && !process.env.CHAOS_OLD) {
        const { stdout } = await run(['cluster'], { url: n1.url, env: { STARLING_TOKEN: world.token } });
        t.expect((stdout.toString().match(/ 0\.1\.1 /g) || []).length === 3, 'starling cluster does not show the versions');
      }
    }
  },
}, {
  id: 13,
  name: 'too-new',
  what: 'a node that speaks versions 3 to 3 joins',
  world: { places: 4 },
  async run(t) {
    const { n1, n2, n3, world } = t;
    const later = await laterVersion();
    const load = await t.load({ seconds: 10 });
    await load.at(1);
    const n4 = await world.add('n4', 'eu', { place: 4, join: [n1, n2], program: later, ready: false });
    const sentence = /peer-refused .*versions (3 to 3 .*this node 1 to 1|1 to 1 .*this node 3 to 3)/;
    await load.at(8);
    const said = [n1, n2, n4].flatMap((member) => member.lines).find((line) => sentence.test(line.text));
    t.note(said ? said.text.replace(/^\S+ /, '').trim() : 'no sentence');
    t.expect(said, 'nobody said both ranges');
    t.never([n1, n2, n3], 'member-dead');
    t.never([n1, n2, n3], 'link-down');
    t.expect((await n1.cluster()).members.length === 3, 'n1 took it in');
    await n4.kill('SIGTERM');
    t.unharmed(await t.finish(load), [n1, n2, n3]);
  },
}, {
  id: 23,
  name: 'names',
  what: 'the name of the seeds stops resolving, n4 starts, the name comes back with another address',
  needsWire: true,
  world: { places: 4 },
  async run(t) {
    const { n1, n2, n3, world } = t;
    const names = new Names('10.77.0.100');
    await names.bound;
    const own = path.join(world.folder, 'resolv.conf');
    fs.writeFileSync(own, 'nameserver 10.77.0.100\noptions timeout:1 attempts:1\n');
    const before = ['unshare', '-m', 'sh', '-ec', `mount --bind ${own} /etc/resolv.conf; exec "$@"`, 'sh'];
    const load = await t.load({ seconds: 16 });
    try {
      const n4 = await world.add('n4', 'eu', { place: 4, join: ['seeds.test:7401'], before, ready: false });
      await until('n4 stands alone', 15000, () => n4.lines.some((line) => / node-ready .*alone=1/.test(line.text)));
      t.expect(n4.logged('seed-unresolved'), 'n4 does not say that the name does not resolve');
      names.to = n1.host;
      const answered = performance.now();
      await world.isWhole(30000);
      t.time('joined after the name resolved', performance.now() - answered, 5000);
      await n4.kill();
      names.to = n3.host; // the address changes
      n4.spawn();
      await n4.ready();
      t.time('all see all, by the other address', await world.isWhole(), 5000);
      await n4.kill('SIGTERM');
      for (const name of ['n1', 'n2', 'n3']) t.never(world.members, 'link-down', name);
      t.unharmed(await t.finish(load), [n1, n2, n3]);
    } finally {
      names.socket.close();
    }
  },
}, {
  id: 26,
  name: 'same-name',
  what: 'another node of the name n2 joins',
  selected: true,
  world: { places: 4 },
  async run(t) {
    const { n1, n2, n3, world } = t;
    const load = await t.load({ seconds: 8 });
    await load.at(1);
    const twin = await world.add('n2', 'eu', { place: 4 });
    const both = (cluster) => cluster.members.filter((m) => /^n2(#\w{4})?$/.test(m.name) && m.state === 'alive');
    for (const member of world.members) {
      await until(`${member.name} sees both`, 5000, async () => both(await member.cluster()).length === 2);
    }
    await load.at(6);
    const { stdout } = await run(['cluster'], { url: n1.url, env: { STARLING_TOKEN: world.token } });
    const shown = stdout.toString().match(/n2#\w{4}/g) || [];
    t.note(`shown as ${shown.join(', ')}`);
    t.expect(new Set(shown).size === 2, 'the two are not told apart');
    for (const member of [n1, n3]) {
      t.expect(member.count('name-duplicate') === 1, `${member.name} warned ${member.count('name-duplicate')} times`);
    }
    t.expect(twin.code === null && n2.code === null, 'one of the two ended');
    await twin.kill('SIGTERM');
    t.unharmed(await t.finish(load), [n1, n2, n3]);
  },
}];

// Both versions in one cluster: every pair of nodes delivers everything; then
// one is ended and comes back under the eyes of its own clients, too, who are
// told what they miss (t.finish()).
async function mixed(t, way) {
  const still = await t.finish(await t.load({ seconds: 4 }));
  const missing = still ? still.pairs.reduce((sum, pair) => sum + pair.missing, 0) : NaN;
  t.expect(missing === 0, `${way}: ${missing} items missing between two versions`);
  const [, member] = t.world.members;
  const load = await t.load({ seconds: 7 });
  await load.at(1);
  t.expect(await member.kill('SIGTERM') === 0, `${member.name} did not end with 0`);
  member.spawn();
  await member.ready();
  await t.finish(load);
  await t.world.isWhole();
}

// One node leaves as an operator makes it leave, and comes back as `to`. Those
// who are on the other nodes lose nothing at all.
async function roll(t, member, to, way) {
  const others = t.world.members.filter((other) => other !== member);
  const load = await t.load({ seconds: 7, members: others });
  await load.at(1);
  const start = performance.now();
  const code = await member.kill('SIGTERM');
  t.expect(code === 0, `${member.name} ended with ${code}`);
  t.time(`${way}: ${member.name} drained`, performance.now() - start);
  Object.assign(member.options, { program: to, join: others });
  member.spawn();
  await member.ready();
  const report = await t.finish(load);
  const missing = report.pairs.reduce((sum, pair) => sum + pair.missing, 0);
  t.expect(missing === 0, `${missing} items missing for clients of other nodes while ${member.name} was changed`);
  await t.world.isWhole();
}
