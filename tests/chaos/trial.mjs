// SPDX-License-Identifier: Apache-2.0
//
// One scenario being tried: its world, what was seen, and the invariants that
// hold in all of them. The numbers (i)-(vii) are those of docs/CLUSTER.md.
import fs from 'node:fs';
import os from 'node:os';
import { get, program, sleep, until } from '../e2e/harness.mjs';
import { Load, World, pairOf } from './world.mjs';

const BACK_TO_BASE_MS = 15000;
const SPARE_DESCRIPTORS = 2;
const SPARE_MEMORY = 24 << 10; // KiB: rings linger for 30 s after a load
const DRAIN_MS = 20000; // limits.drain_ms

// A sanitizer does not give back what was freed.
const keepsMemory = () => fs.readFileSync(program).includes('__asan_init');

export class Trial {
  constructor(scenario, options) {
    this.scenario = scenario;
    this.options = options;
    this.problems = [];
    this.facts = [];
    this.sums = { delivered: 0, told: 0, untold: 0, cannot: 0, duplicate: 0, disorder: 0, lost: 0 };
  }

  expect(good, sentence) {
    if (!good) this.problems.push(sentence);
  }

  note(text) { this.facts.push(text); }

  // A time that was measured, in ms, and the most it may be.
  time(what, ms, most) {
    const known = Number.isFinite(ms);
    const text = `${what} ${known ? `${Math.round(ms)} ms` : 'never'}`;
    this.facts.push(most ? `${text} (at most ${most})` : text);
    if (!known || (most && this.options.times && ms > most)) {
      this.problems.push(most ? `${text}, more than ${most} ms` : text);
    }
  }

  // From `since` until the member logged the event about a peer, in ms.
  logged(member, event, peer, since, most) {
    const line = member.logged(event, ` peer=${peer} `, since);
    this.time(`${member.name}: ${event} ${peer}`, line ? line.at - since : NaN, most);
  }

  // About no peer, or not about the one that is named.
  never(members, event, peer, since = this.began) {
    for (const member of members) {
      const count = member.count(event, peer ? ` peer=${peer} ` : '', since);
      this.expect(count === 0, `${member.name} logged ${event} ${peer || ''} ${count} times`);
    }
  }

  // --- the world ---

  async open() {
    const { regions = ['eu', 'eu', 'us'], world = {} } = this.scenario;
    this.world = await World.start(regions, { folder: this.options.folder, seed: this.options.seed, ...world });
    [this.n1, this.n2, this.n3] = this.world.members;
    this.stranger = await this.world.mint('--cache', 'demo', '--prefix', 'other', '--role', 'both');
    await this.calm('before');
    this.base = new Map(this.world.members.map((member) => [member.process.pid,
      { descriptors: member.descriptors(), memory: member.memory() }]));
    // Delays are judged only where nobody else has work.
    this.isQuiet = this.options.times && os.loadavg()[0] < os.cpus().length + 1;
    this.began = performance.now();
  }

  // --- load ---

  async load(options) {
    const size = this.options.full ? { topics: 167, rate: 13 } : {};
    const load = await Load.start(this.world, { ...size, ...options });
    this.watchStranger(load);
    return load;
  }

  // (iii) A client whose grants do not cover the topic never gets at it.
  async watchStranger(load) {
    let over = false;
    load.done.then(() => { over = true; });
    while (!over) {
      for (const member of load.members) {
        const { status } = await get(`${member.url}/topics/demo/${load.topic}`,
          { headers: { Authorization: this.stranger, Accept: 'text/event-stream' }, method: 'GET' });
        this.expect(status < 200 || status >= 300, `${member.name} let a stranger subscribe`);
      }
      await sleep(500);
    }
  }

  // (i), (ii), (iv) over everything that the checker saw.
  async finish(load) {
    const report = await load.done;
    if (!report.pairs) {
      this.expect(false, report.wrong);
      return null;
    }
    this.count(report);
    return report;
  }

  count(report) {
    for (const way of report.ways) {
      this.sums.delivered += way.delivered;
      this.sums.told += way.told;
      if (way.can_tell) this.sums.untold += way.untold;
      else this.sums.cannot += way.untold;
    }
    this.sums.duplicate += report.duplicate;
    this.sums.disorder += report.out_of_order;
    this.sums.lost += report.lost_after_ack;
    this.expect(report.duplicate === 0, `(i) ${report.duplicate} duplicates`);
    this.expect(report.out_of_order === 0, `(ii) ${report.out_of_order} out of order`);
    this.expect(report.strange === 0, `(iii) ${report.strange} items nobody asked for`);
    const untold = report.pairs.reduce((sum, pair) => sum + pair.untold, 0);
    this.expect(untold === 0, `(iv) ${untold} lost untold: ${report.pairs.filter((pair) => pair.untold)
      .map((pair) => `${pair.untold} of ${pair.from}>${pair.to}`).join(', ')}`);
    this.expect(report.lost_after_ack === 0, `${report.lost_after_ack} lost after the acknowledgement`);
    this.expect(!report.wrong, report.wrong);
  }

  // Between these, in both directions and on each, nothing is missing. Only what
  // comes from another region may go through a node that is in trouble, the
  // ingress: of that something may be missing, if it is told.
  unharmed(report, members) {
    for (const from of members) {
      for (const to of members) {
        const pair = pairOf(report, from, to);
        if (this.isRelayed(from, to)) {
          if (pair.missing) this.note(`${from.name}>${to.name} ${pair.missing} lost on the way through another node`);
        } else {
          this.expect(pair.missing === 0, `${pair.missing} items ${from.name}>${to.name} missing`);
        }
        this.expect(pair.delivered > 0, `nothing came ${from.name}>${to.name}`);
      }
    }
  }

  isRelayed(from, to) {
    const region = (member) => member.options.region;
    return region(from) !== region(to) && this.world.members.some((m) => m !== to && region(m) === region(to));
  }

  // The greatest p99 between these, in ms, of what goes through no other node.
  p99(report, members) {
    return Math.max(...members.flatMap((from) => members.map((to) =>
      (this.isRelayed(from, to) ? 0 : pairOf(report, from, to).p99_ms))));
  }

  // When the last long silence between two sides ended, after the heal.
  healed(report, from, to, healedAt, most) {
    let last = 0;
    for (const a of from) {
      for (const b of to) {
        for (const pair of [pairOf(report, a, b), pairOf(report, b, a)]) {
          last = Math.max(last, pair.silent_to_ms - healedAt);
          this.expect(pair.last_ms > healedAt, `nothing came ${pair.from}>${pair.to} after the heal`);
        }
      }
    }
    this.time('items flow again after', Math.max(0, last), most);
  }

  // --- afterwards ---

  // Nothing is broken now: everything arrives, and the counters say so.
  // (v) What nodes sent to each other is what they received, nothing dropped.
  async calm(when) {
    const members = this.world.alive;
    const settled = async () => {
      const all = await Promise.all(members.map((member) => member.numbers()));
      const sum = (name) => all.reduce((total, numbers) => total + (numbers[name] || 0), 0);
      return { sent: sum('link_items_sent_total'), received: sum('link_items_received_total'),
        dropped: sum('link_items_dropped_total') + sum('messages_dropped_slow_total') + sum('link_holes_total'),
        published: sum('messages_published_total'), delivered: sum('messages_delivered_total') };
    };
    const before = await settled();
    const load = await Load.start(this.world, { members, seconds: 1, topics: 2, rate: 50 });
    const report = await load.done;
    if (!report.pairs) {
      this.expect(false, `${when}: ${report.wrong}`);
      return;
    }
    const missing = report.pairs.reduce((sum, pair) => sum + pair.missing, 0);
    this.expect(report.clean && missing === 0, `${when}: ${missing} items missing in calm weather`);
    const now = await settled();
    const grown = (name) => now[name] - before[name];
    const delivered = report.ways.reduce((sum, way) => sum + way.delivered, 0);
    this.expect(grown('sent') === grown('received') && grown('dropped') === 0,
      `(v) ${when}: ${grown('sent')} sent to peers, ${grown('received')} received, ${grown('dropped')} dropped`);
    this.expect(grown('published') >= report.items && grown('delivered') >= delivered,
      `(v) ${when}: ${grown('published')} published and ${grown('delivered')} delivered by the counters, ` +
      `${report.items} and ${delivered} seen`);
  }

  async afterwards() {
    for (const member of this.world.members) {
      this.expect(member.code === null || !member.isOurs, `(vi) ${member.name} ended with ${member.code}`);
      this.expect(!/Sanitizer|runtime error:/.test(member.log), `(vi) ${member.name}: a sanitizer spoke`);
    }
    this.time('all see all afterwards', await this.world.isWhole().catch(() => NaN), 5000);
    await this.calm('afterwards');
    await this.checkBase();
    await this.checkEnd();
  }

  // (vii) Descriptors and memory of those that lived through it.
  async checkBase() {
    let grown = 0;
    for (const member of this.world.alive) {
      const base = this.base.get(member.process.pid);
      if (!base) continue;
      const most = base.descriptors + SPARE_DESCRIPTORS;
      const back = await until('descriptors', BACK_TO_BASE_MS, () => member.descriptors() <= most).catch(() => false);
      this.expect(back, `(vii) ${member.name} has ${member.descriptors()} descriptors, ${base.descriptors} before`);
      grown = Math.max(grown, member.memory() - base.memory);
    }
    this.note(`memory +${(grown / 1024).toFixed(1)} MiB`);
    this.expect(grown <= SPARE_MEMORY * (this.options.full ? 8 : 1) || keepsMemory(),
      `(vii) memory grew by ${grown >> 10} MiB`);
  }

  // (vi) Told to end, they end well.
  async checkEnd() {
    const start = performance.now();
    const members = this.world.alive;
    const codes = await Promise.race([Promise.all(members.map((member) => member.kill('SIGTERM'))),
      sleep(2 * DRAIN_MS).then(() => ['not at all'])]);
    this.expect(codes.every((code) => code === 0), `(vi) told to end, nodes ended with ${codes}`);
    this.time('end', performance.now() - start, DRAIN_MS);
  }

  async run() {
    try {
      await this.open();
      await this.scenario.run(this);
      if (this.world.wire) await this.world.heal();
      await this.afterwards();
    } catch (error) {
      this.problems.push(error.message.split('\n')[0]);
    } finally {
      await this.world?.end().catch((error) => this.problems.push(error.message));
    }
  }
}
