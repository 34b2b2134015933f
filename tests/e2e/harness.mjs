// SPDX-License-Identifier: Apache-2.0
//
// Real processes for end-to-end tests: nodes on free loopback ports, commands,
// waits with a deadline and a condition. Every process is ended by id, at the
// latest when the test process exits.
import { spawn } from 'node:child_process';
import dgram from 'node:dgram';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

export const program = process.env.STARLING || path.resolve('build/starling');
export const running = new Set();
process.on('exit', () => { for (const child of running) child.kill('SIGKILL'); });

export const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

// Asks until the answer is truthy; fails with `what` after ms.
export async function until(what, ms, ask) {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(20);
  }
}

const tcpIsFree = (port) => new Promise((done) => {
  const server = net.createServer();
  server.once('error', () => done(false));
  server.listen({ port, host: '127.0.0.1' }, () => server.close(() => done(true)));
});
const udpIsFree = (port) => new Promise((done) => {
  const socket = dgram.createSocket('udp4');
  socket.once('error', () => { socket.close(); done(false); });
  socket.bind(port, '127.0.0.1', () => socket.close(() => done(true)));
});

// Below the ephemeral range, so that no outgoing connection takes them.
const handedOut = new Set();
export async function portRow() {
  for (let tries = 0; tries < 500; tries += 1) {
    const port = 12000 + Math.floor(Math.random() * 1900) * 10;
    if (!handedOut.has(port) && await tcpIsFree(port) && await tcpIsFree(port + 1) &&
        await tcpIsFree(port + 2) && await udpIsFree(port + 1)) {
      handedOut.add(port);
      return port;
    }
  }
  throw new Error('no free ports');
}

export function temporaryFolder() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'starling-e2e-'));
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export async function get(url, options = {}) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000), ...options });
    return { status: response.status, text: await response.text() };
  } catch {
    return { status: 0, text: '' };
  }
}

export class Node {
  constructor(options) {
    this.options = options;
    this.name = options.name;
    this.log = '';
  }

  // options: name, region, port, join (nodes), args, token (of admin:read, with
  // keys), ready (wait for it).
  static async start(options) {
    const node = new Node({ ...options, port: options.port || await portRow() });
    node.spawn();
    if (options.ready !== false) await node.ready();
    return node;
  }

  // The words that start it. With keys caches have to be created, unless the
  // test says nothing of them.
  words() {
    const { name, region = 'eu', port, join = [], args: given = [] } = this.options;
    const silent = given.includes('--keys') && !given.some((word) => word.includes('caches'));
    const args = silent ? [...given, '--auto-create-caches', 'true'] : given;
    const seeds = join.flatMap((node) => ['--join', `127.0.0.1:${node.port + 1}`]);
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    return [program, 'node', '--name', name, '--region', region, '--listen', `127.0.0.1:${port}`,
      '--cluster', `127.0.0.1:${port + 1}`, '--endpoint', this.url, ...seeds, ...args];
  }

  spawn() {
    const [first, ...rest] = this.words();
    this.code = null;
    this.process = spawn(first, rest,
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...this.options.env } });
    running.add(this.process);
    this.process.stderr.on('data', (data) => { this.log += data; });
    this.ended = new Promise((done) => {
      this.process.on('exit', (code, signal) => {
        running.delete(this.process);
        this.code = code === null ? signal : code;
        done(this.code);
      });
    });
  }

  async ready() {
    try {
      await until(`${this.name} ready`, 15000, async () => {
        if (this.code !== null) throw new Error(`${this.name} ended with ${this.code}`);
        return (await get(`${this.url}/readyz`)).status === 200;
      });
    } catch (error) {
      throw new Error(`${error.message}\n${this.log}`);
    }
  }

  async cluster() {
    const { token } = this.options;
    const { status, text } = await get(`${this.url}/v1/cluster`, token ? { headers: { Authorization: token } } : {});
    return status === 200 ? JSON.parse(text) : null;
  }

  // Whether exactly these names are alive and linked, as this node sees it.
  async sees(names) {
    const cluster = await this.cluster();
    if (!cluster) return false;
    const alive = cluster.members.filter((m) => m.state === 'alive' && (m.self || m.linked) && m.ready)
      .map((m) => m.name).sort();
    return JSON.stringify(alive) === JSON.stringify([...names].sort());
  }

  kill(signal = 'SIGKILL') {
    if (this.code === null) this.process.kill(signal);
    return this.ended;
  }
}

// A cluster of one node for each region in the list, all linked.
export async function startCluster(regions, options = {}) {
  const nodes = [];
  for (const [i, region] of regions.entries()) {
    nodes.push(await Node.start({ name: `n${i + 1}`, region, join: nodes, ...options }));
  }
  const names = nodes.map((node) => node.name);
  for (const node of nodes) {
    await until(`${node.name} sees ${names}`, 15000, () => node.sees(names));
  }
  return nodes;
}

export async function stopAll(nodes) {
  await Promise.all(nodes.map((node) => node.kill()));
}

// Runs a command of the program. options: input (string or stream), url, env.
export function command(args, options = {}) {
  const env = { ...process.env, ...(options.url && { STARLING_URL: options.url }), ...options.env };
  const child = spawn(program, args, { env, stdio: [options.input === undefined ? 'ignore' : 'pipe',
    options.stdout || 'pipe', 'pipe'] });
  running.add(child);
  const out = [];
  let stderr = '';
  if (child.stdout) child.stdout.on('data', (data) => out.push(data));
  child.stderr.on('data', (data) => { stderr += data; });
  if (options.input !== undefined) {
    child.stdin.on('error', () => {});
    if (typeof options.input === 'string' || Buffer.isBuffer(options.input)) child.stdin.end(options.input);
    else options.input.pipe(child.stdin);
  }
  const done = new Promise((resolve) => {
    child.on('close', (code, signal) => {
      running.delete(child);
      resolve({ code: code === null ? signal : code, stdout: Buffer.concat(out), stderr });
    });
  });
  return { child, done, get stderr() { return stderr; } };
}

export const run = (args, options) => command(args, options).done;

// Sends raw bytes and collects what comes back until the end, or ms.
export function raw(port, bytes, ms = 3000) {
  return new Promise((resolve) => {
    const chunks = [];
    const socket = net.connect(port, '127.0.0.1');
    const timer = setTimeout(() => { socket.destroy(); }, ms);
    let closed = false;
    socket.on('connect', () => { for (const part of [].concat(bytes)) socket.write(part); });
    socket.on('data', (data) => chunks.push(data));
    socket.on('end', () => { closed = true; });
    socket.on('error', () => { closed = true; });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve({ closed, text: Buffer.concat(chunks).toString('latin1') });
    });
  });
}
