// SPDX-License-Identifier: Apache-2.0
//
// A cluster whose network can be broken: real nodes, each in a network
// namespace of its own behind the wire (tests/chaos/wire.c), or all of them on
// loopback when there are no namespaces to be had. Clients live in place 0.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { Node, get, portRow, program, run, running, sleep, until } from '../e2e/harness.mjs';

export const build = process.env.BUILD || path.resolve('build');
export const hasWire = process.env.CHAOS_NET === 'wire';

// Lines of a stream, each with the time it came at.
class Wire {
  static async start(places, seed) {
    const wire = new Wire();
    wire.process = spawn(path.join(build, 'wire'), [String(places), String(seed)],
      { stdio: ['pipe', 'pipe', 'inherit'] });
    running.add(wire.process);
    wire.process.on('exit', () => running.delete(wire.process));
    wire.answers = readline.createInterface({ input: wire.process.stdout })[Symbol.asyncIterator]();
    const ready = (await wire.answers.next()).value;
    if (!ready) throw new Error('the wire did not start');
    wire.fds = ready.split(' ').slice(1);
    wire.turn = Promise.resolve();
    return wire;
  }

  // One command after the other, each with its answer.
  say(line) {
    const answer = this.turn.then(async () => {
      this.process.stdin.write(`${line}\n`);
      const { value } = await this.answers.next();
      if (value === 'wrong') throw new Error(`the wire refuses '${line}'`);
      return value;
    });
    this.turn = answer.catch(() => {});
    return answer;
  }

  namespaceOf(place) {
    return `/proc/${this.process.pid}/fd/${this.fds[place - 1]}`;
  }
}

// A node of the world; what it logs is kept with the time it came at.
export class Member extends Node {
  words() {
    const { world, place, region, join = [], args = [], program: own = program } = this.options;
    const port = hasWire ? 7400 : this.options.port;
    this.place = place;
    this.host = hasWire ? `10.77.0.${place}` : '127.0.0.1';
    this.port = port;
    this.url = `http://${this.host}:${port}`;
    const seeds = join.flatMap((seed) => ['--join',
      typeof seed === 'string' ? seed : `${seed.host}:${seed.port + 1}`]);
    const enter = hasWire ? ['nsenter', `--net=${world.wire.namespaceOf(place)}`, '--'] : [];
    return [...enter, ...(this.options.before || []), own, 'node', '--name', this.name, '--region', region,
      '--listen', `${this.host}:${port}`, '--cluster', `${this.host}:${port + 1}`,
      '--endpoint', this.url, '--keys', world.keys, '--auto-create-caches', 'true', ...seeds, ...args];
  }

  spawn() {
    super.spawn();
    this.lines ||= [];
    this.isOurs = true; // ends only when we end it
    readline.createInterface({ input: this.process.stderr })
      .on('line', (text) => this.lines.push({ at: performance.now(), text }));
  }

  // The first line of that event since `since` that contains `part`.
  logged(event, part = '', since = 0) {
    return this.lines.find((line) => line.at >= since && line.text.includes(` ${event} `) &&
      line.text.includes(part));
  }

  count(event, part = '', since = 0) {
    return this.lines.filter((line) => line.at >= since && line.text.includes(` ${event} `) &&
      line.text.includes(part)).length;
  }

  // Asks with the operator's token.
  ask(route) {
    return get(`${this.url}${route}`, { headers: { Authorization: this.options.world.token } });
  }

  async cluster() {
    const { status, text } = await this.ask('/v1/cluster');
    return status === 200 ? JSON.parse(text) : null;
  }

  async numbers() {
    const numbers = {};
    for (const line of (await this.ask('/metrics')).text.split('\n')) {
      const match = line.match(/^starling_(\w+) (\d+)$/);
      if (match) numbers[match[1]] = Number(match[2]);
    }
    return numbers;
  }

  kill(signal = 'SIGKILL') {
    this.isOurs = false;
    return super.kill(signal);
  }

  stop() { this.process.kill('SIGSTOP'); }

  go() { this.process.kill('SIGCONT'); }

  descriptors() {
    try { return fs.readdirSync(`/proc/${this.process.pid}/fd`).length; } catch { return 0; }
  }

  // Resident memory, in KiB.
  memory() {
    const match = fs.readFileSync(`/proc/${this.process.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/);
    return match ? Number(match[1]) : 0;
  }

  // Processor time used so far, in ms.
  cpu() {
    const words = fs.readFileSync(`/proc/${this.process.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(words[11]) + Number(words[12])) * 10;
  }
}

export class World {
  // regions: one node for each. places: room for that many nodes. each: further
  // options of a node, by its name and the folder of the world.
  static async start(regions, { folder, places = regions.length, seed = 1, each } = {}) {
    const world = new World();
    world.members = [];
    world.keys = path.join(folder, 'keys');
    world.folder = folder;
    if (!fs.existsSync(world.keys)) await run(['keygen', world.keys]);
    world.token = await world.mint('--scope', 'admin:read', '--ttl', '30d');
    if (hasWire) world.wire = await Wire.start(places, seed);
    for (const [i, region] of regions.entries()) {
      const name = `n${i + 1}`;
      await world.add(name, region, { place: i + 1, ready: false, ...each?.(name, folder) });
    }
    for (const member of world.members) await member.ready();
    await world.isWhole();
    return world;
  }

  async mint(...words) {
    const { stdout, stderr } = await run(['token', 'mint', '--keys', this.keys, '--sub', 'chaos', ...words]);
    if (!stdout.length) throw new Error(stderr);
    return stdout.toString().trim();
  }

  // One more node: in its own place, known to the others by their addresses.
  async add(name, region, options = {}) {
    const { place = this.members.length + 1, join = this.members, ready = true } = options;
    const member = new Member({ ...options, name, region, world: this, place, join: [...join],
      port: hasWire ? 7400 : await portRow() });
    this.members.push(member);
    member.spawn();
    if (ready) await member.ready();
    return member;
  }

  get alive() { return this.members.filter((member) => member.code === null); }

  // Every living node sees every other one. Returns how many ms it took.
  async isWhole(ms = 20000, members = this.alive) {
    const start = performance.now();
    for (const member of members) {
      await until(`${member.name} sees all`, ms, () => member.sees(members.map((m) => m.name)));
    }
    return Math.round(performance.now() - start);
  }

  // What happens to packets between two members (or '*'), in that direction.
  rule(from, to, text = '') {
    const place = (member) => (member === '*' ? '*' : member.place);
    return this.wire.say(`set ${place(from)} ${place(to)} ${text}`);
  }

  async between(a, b, text = '') {
    await this.rule(a, b, text);
    await this.rule(b, a, text);
  }

  heal() { return this.wire.say('set * *'); }

  async end() {
    for (const member of this.alive) member.go();
    await Promise.all(this.alive.map((member) => member.kill()));
    if (this.wire) {
      this.wire.process.stdin.end();
      await until('the wire ends', 5000, () => this.wire.process.exitCode !== null);
    }
  }
}

// `starling verify` on some members, while something happens.
export class Load {
  static async start(world, { members = world.members, seconds, topics = 4, rate = 25 }) {
    const load = new Load();
    load.members = members;
    load.seconds = seconds;
    load.child = spawn(program, ['verify', ...members.map((m) => m.url), '--json', '--seconds', String(seconds),
      '--topics', String(topics), '--rate', String(rate)],
    { env: { ...process.env, STARLING_URL: members[0].url, STARLING_TOKEN: world.token } });
    running.add(load.child);
    load.stderr = '';
    load.child.stderr.on('data', (data) => { load.stderr += data; });
    const lines = [];
    load.done = new Promise((done) => {
      load.child.on('close', (code) => {
        running.delete(load.child);
        const last = lines.at(-1);
        done(last?.startsWith('{') ? { ...JSON.parse(last), code, wrong: load.stderr.trim() }
          : { wrong: `verify: ${load.stderr.trim() || code}` });
      });
    });
    const counting = new Promise((begun) => {
      readline.createInterface({ input: load.child.stdout }).on('line', (line) => {
        lines.push(line);
        if (lines.length === 1) begun(true);
      });
    });
    await Promise.race([counting, load.done]);
    load.from = performance.now();
    return load;
  }

  get topic() { return `check-${this.child.pid}/0`; }

  // Waits until so many seconds of counting have passed.
  async at(seconds) { await sleep(Math.max(0, this.from + seconds * 1000 - performance.now())); }

  // Now, on the clock of the report.
  get now() { return performance.now() - this.from; }
}

// A report's pair of members.
export const pairOf = (report, from, to) => report.pairs.find((pair) =>
  pair.from === `${from.host}:${from.port}` && pair.to === `${to.host}:${to.port}`);
