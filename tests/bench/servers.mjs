// SPDX-License-Identifier: Apache-2.0
//
// The brokers that are measured, on free loopback ports: the peers as Debian
// ships them, and this checkout. All end with this process, however it ends.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { Node, get, portRow, running, temporaryFolder, until } from '../e2e/harness.mjs';

const START_MS = 15000;
const folder = temporaryFolder();

// The kernel ends it when this process is gone, even by SIGKILL.
export const bound = (words) => ['setpriv', '--pdeathsig', 'KILL', '--', ...words];

const answers = (port) => new Promise((done) => {
  const socket = net.connect(port, '127.0.0.1');
  socket.once('connect', () => { socket.destroy(); done(true); });
  socket.once('error', () => done(false));
});

// A broker of somebody else; its last words are in `log`.
class Peer {
  constructor(words) {
    const [first, ...rest] = bound(words);
    this.name = words[0];
    this.log = '';
    this.process = spawn(first, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this.process);
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on('data', (data) => { this.log = (this.log + data).slice(-4000); });
    }
    this.process.on('error', (error) => { this.log += error.message; });
    this.ended = new Promise((done) => {
      const end = (code) => {
        running.delete(this.process);
        this.code = code ?? 'killed';
        done(this.code);
      };
      this.process.on('exit', end);
      this.process.on('error', () => end('not started'));
    });
  }

  async until(what, ask) {
    await until(`${this.name}: ${what}`, START_MS, async () => {
      if (this.code !== undefined) throw new Error(`${this.name} ended with ${this.code}\n${this.log}`);
      return ask();
    });
  }

  static async start(port, words) {
    const peer = new Peer(words);
    await peer.until('listens', () => answers(port));
    return peer;
  }

  kill() {
    if (this.code === undefined) this.process.kill('SIGKILL');
    return this.ended;
  }
}

// Ours. A node gets the words of its own: --workers.
class BenchNode extends Node {
  words() { return bound(super.words()); }

  static async start(options) {
    const node = new BenchNode({ ...options, port: await portRow() });
    node.spawn();
    await node.ready();
    return node;
  }
}

// What the generator needs: url, publishUrl, and whose CPU and memory counts.
const serverOf = (processes, url, publishUrl) => ({ url, publishUrl, processes,
  pids: processes.map((p) => p.process.pid), starling: processes[0] instanceof BenchNode });

async function redis() {
  const port = await portRow();
  const peer = await Peer.start(port, ['redis-server', '--port', port, '--bind', '127.0.0.1',
    '--save', '', '--appendonly', 'no', '--maxclients', '15000', '--dir', folder].map(String));
  return serverOf([peer], `redis://127.0.0.1:${port}`);
}

async function nats() {
  const port = await portRow();
  const peer = await Peer.start(port, ['nats-server', '-a', '127.0.0.1', '-p', String(port)]);
  return serverOf([peer], `nats://127.0.0.1:${port}`);
}

// Two of one cluster; the ports of a row: clients, cluster, monitoring.
async function nats2() {
  const [a, b] = [await portRow(), await portRow()];
  const start = (port, more) => Peer.start(port, ['nats-server', '-a', '127.0.0.1', '-p', String(port),
    '--cluster_name', 'bench', '--cluster', `nats://127.0.0.1:${port + 1}`, '-m', String(port + 2), ...more]);
  const first = await start(a, []);
  const second = await start(b, ['--routes', `nats://127.0.0.1:${a + 1}`]);
  for (const port of [a, b]) {
    await first.until('has a route', async () => {
      const { status, text } = await get(`http://127.0.0.1:${port + 2}/routez`);
      return status === 200 && JSON.parse(text).num_routes > 0;
    });
  }
  return serverOf([first, second], `nats://127.0.0.1:${b}`, `nats://127.0.0.1:${a}`);
}

async function mosquitto() {
  const port = await portRow();
  const file = path.join(folder, 'mosquitto.conf');
  fs.writeFileSync(file, `listener ${port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n`);
  const peer = await Peer.start(port, ['mosquitto', '-c', file]);
  return { ...serverOf([peer], `mqtt://127.0.0.1:${port}`), port };
}

// `one` alone; `nodes:N` of one region: the first is published at, the last is
// subscribed at. `workers:N` is one process.
async function starling(count, args = []) {
  const nodes = [];
  for (let i = 1; i <= count; i += 1) {
    nodes.push(await BenchNode.start({ name: `n${i}`, join: nodes, args }));
  }
  const names = nodes.map((node) => node.name);
  for (const node of count > 1 ? nodes : []) {
    await until(`${node.name} sees ${names}`, START_MS, () => node.sees(names));
  }
  return serverOf(nodes, nodes.at(-1).url, count > 1 ? nodes[0].url : undefined);
}

const starts = { redis, nats, nats2, mosquitto, one: () => starling(1), ab: () => starling(2),
  nodes: (count) => starling(Number(count)),
  workers: (count) => starling(1, ['--workers', count]) };

// The servers of a scenario, started when they are first asked for.
export class Fleet {
  #servers = new Map();

  async get(key) {
    const known = this.#servers.get(key);
    if (known && known.processes.every((p) => p.process.exitCode === null && p.process.signalCode === null)) {
      return known;
    }
    const [kind, argument] = key.split(':');
    const server = await starts[kind](argument);
    this.#servers.set(key, server);
    return server;
  }

  async stop() {
    const servers = [...this.#servers.values()];
    this.#servers.clear();
    await Promise.all(servers.flatMap((s) => s.processes.map((p) => p.kill())));
  }
}
