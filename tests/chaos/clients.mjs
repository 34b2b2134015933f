// SPDX-License-Identifier: Apache-2.0
//
// What many clients do to a node: they take its descriptors, subscribe and
// unsubscribe without end, come back all at once.
import net from 'node:net';
import { get, sleep, until } from '../e2e/harness.mjs';

// A RESP client that counts lines.
class Client {
  constructor(member, token) {
    this.lines = 0;
    this.started = performance.now();
    this.socket = net.connect(member.port, member.host);
    this.socket.on('error', () => {}).on('close', () => { this.isClosed = true; this.wake?.(); });
    this.socket.on('data', (data) => {
      this.first ??= { after: performance.now() - this.started, text: data.toString('latin1', 0, 40) };
      for (const byte of data) this.lines += byte === 10;
      this.wake?.();
    });
    this.socket.write(`AUTH demo ${token}\r\n`);
  }

  async linesAre(lines) {
    while (this.lines < lines && !this.isClosed) await new Promise((done) => { this.wake = done; });
  }

  get isIn() { return this.first?.text.startsWith('+OK') ?? false; }
}

// Subscribes to a thousand topics and leaves them, again and again.
async function churn(member, token, until) {
  const client = new Client(member, token);
  const topics = Array.from({ length: 1000 }, (_, i) => `churn-${member.name}-${i}`).join(' ');
  let lines = 1;
  let changes = 0;
  await client.linesAre(lines);
  while (performance.now() < until && !client.isClosed) {
    for (const command of [`SUBSCRIBE ${topics}\r\n`, 'UNSUBSCRIBE\r\n']) {
      client.socket.write(command);
      lines += 6000; // "*3 $9 subscribe $7 churn-1 :1" for each topic
      changes += 1000;
      await client.linesAre(lines);
    }
  }
  client.socket.destroy();
  return changes;
}

export const clients = [{
  id: 15,
  name: 'descriptors',
  what: 'n2 may open 128 files, 300 clients come',
  selected: true,
  world: { each: (name) => (name === 'n2' ? { before: ['prlimit', '--nofile=128'] } : {}) },
  async run(t) {
    const { n1, n2, n3 } = t;
    const load = await t.load({ seconds: 12, topics: 2, rate: 50 });
    const busy = async (seconds) => {
      const before = n2.cpu();
      await sleep(seconds * 1000);
      return Math.round((n2.cpu() - before) / seconds / 10);
    };
    const calm = await busy(2);
    const flood = Array.from({ length: 300 }, () => new Client(n2, t.world.token));
    await until('some are in', 5000, () => flood.filter((client) => client.isIn).length > 20);
    const full = await busy(4);
    t.note(`${flood.filter((client) => client.isIn).length} came in; processor of n2 ${calm} -> ${full} %`);
    t.expect(full < 90, `n2 spins: ${full} % of a processor`);
    for (const client of flood) client.socket.destroy();
    const gone = performance.now();
    await until('n2 takes clients again', 10000, async () => (await get(`${n2.url}/readyz`)).status === 200);
    t.time('clients are taken again after', performance.now() - gone, 3000);
    const report = await t.finish(load);
    t.unharmed(report, [n1, n2, n3]);
    t.expect(report.reconnects === 0, `${report.reconnects} of the old clients were cut`);
  },
}, {
  id: 18,
  name: 'churn',
  what: 'three clients subscribe and unsubscribe as fast as it goes for 8 s',
  selected: true,
  async run(t) {
    const { world } = t;
    const load = await t.load({ seconds: 12 });
    const bytes = async () => {
      const all = await Promise.all(world.members.map((member) => member.numbers()));
      return all.reduce((sum, numbers) => sum + numbers.link_bytes_sent_total, 0);
    };
    await load.at(1);
    const calm = await bytes();
    await load.at(2);
    const before = await bytes();
    const all = await Promise.all(world.members.map((member) => churn(member, world.token, performance.now() + 8000)));
    const stopped = performance.now();
    const changes = all.reduce((sum, count) => sum + count, 0);
    const carried = await bytes() - before - 8 * (before - calm);
    t.note(`${Math.round(changes / 8)} changes a second; ${(carried / changes / 2).toFixed(1)} bytes of links for each and peer`);
    t.expect(changes > 0 && carried / changes / 2 < 64, `${Math.round(carried / changes / 2)} bytes for each change and peer`);
    await until('all agree', 10000, async () => {
      const views = await Promise.all(world.members.map((member) => member.cluster()));
      const topics = (view, name) => view.members.find((m) => m.name === name).topics;
      return world.members.every(({ name }) => new Set(views.map((view) => topics(view, name))).size === 1);
    });
    t.time('all agree after', performance.now() - stopped, 1000);
    const report = await t.finish(load);
    t.unharmed(report, world.members);
  },
}, {
  id: 19,
  name: 'herd',
  what: '2,000 clients lose n1 and come back within 1 s',
  async run(t) {
    const { n1, n2, n3, world } = t;
    const many = t.options.full ? 16000 : 2000;
    const load = await t.load({ seconds: 16 });
    const come = async () => {
      const herd = [];
      for (let i = 0; i < 20; i += 1) {
        for (let k = 0; k < many / 20; k += 1) herd.push(new Client(n1, world.token));
        await sleep(50);
      }
      await until('all are in', 20000, () => herd.every((client) => client.first || client.isClosed));
      return herd;
    };
    const first = await come();
    for (const client of first) client.socket.destroy();
    const herd = await come();
    const refused = herd.filter((client) => !client.isIn).length;
    const waits = herd.map((client) => client.first?.after ?? Infinity).sort((a, b) => a - b);
    t.note(`${herd.length} clients`);
    t.expect(refused === 0, `${refused} were refused`);
    t.time('p99 until logged in', waits[Math.floor(waits.length * 0.99)], 5000);
    for (const client of herd) client.socket.destroy();
    const report = await t.finish(load);
    t.unharmed(report, [n1, n2, n3]);
    t.expect(report.reconnects === 0, `${report.reconnects} of those already connected were cut`);
  },
}];
