// SPDX-License-Identifier: Apache-2.0
//
// For tests of what strangers do to the cluster's ports: a tap between two
// nodes that records what they say to each other, the envelope of the cluster
// (tests/e2e/sealer.c) for what is forged with the right key, msgpack for what
// is inside, and what a process of a node holds.
import crypto from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import readline from 'node:readline';
import { spawn } from 'node:child_process';

export const GREETING = Buffer.from('\0SP\0\0\x50\0\0', 'latin1');
export const GOSSIP = 1;
export const LINK = 2;
export const NOBODY = Buffer.alloc(16);

// Stands before the cluster ports of a node at another loopback address, which
// the node advertises: passes everything on, and keeps it.
export class Tap {
  static async open(port, { host, target = '127.0.0.1' }) {
    const tap = new Tap();
    tap.datagrams = []; // to the target
    tap.streams = { control: [], data: [] }; // to the target, one buffer a connection
    tap.peer = null; // where the other node listens: the target's answers go there
    tap.in = dgram.createSocket('udp4');
    tap.out = dgram.createSocket('udp4');
    tap.in.on('message', (bytes) => {
      tap.datagrams.push(bytes);
      tap.out.send(bytes, port, target);
    });
    tap.out.on('message', (bytes) => { if (tap.peer) tap.in.send(bytes, tap.peer, target); });
    tap.in.bind(port, host);
    tap.out.bind(0, target);
    await Promise.all([once(tap.in, 'listening'), once(tap.out, 'listening')]);
    tap.servers = await Promise.all([['control', port], ['data', port + 1]].map(async ([lane, at]) => {
      const server = net.createServer((from) => tap.pass(lane, from, net.connect(at, target)));
      server.listen(at, host);
      await once(server, 'listening');
      return server;
    }));
    return tap;
  }

  pass(lane, from, to) {
    const at = this.streams[lane].push(Buffer.alloc(0)) - 1;
    from.on('data', (bytes) => {
      this.streams[lane][at] = Buffer.concat([this.streams[lane][at], bytes]);
      to.write(bytes);
    });
    to.on('data', (bytes) => from.write(bytes));
    for (const [one, other] of [[from, to], [to, from]]) {
      one.on('error', () => {});
      one.on('close', () => other.destroy());
    }
  }

  // The whole frames of the connections of a lane, their lengths before them.
  frames(lane) {
    return this.streams[lane].flatMap((stream) => {
      const frames = [];
      for (let at = GREETING.length; at + 8 <= stream.length;) {
        const end = at + 8 + Number(stream.readBigUInt64BE(at));
        if (end <= stream.length) frames.push(stream.subarray(at, end));
        at = end;
      }
      return frames;
    });
  }

  close() {
    this.in.close();
    this.out.close();
    for (const server of this.servers) server.close();
  }
}

// The envelope of a cluster; each nonce is new.
export class Sealer {
  constructor(keys, cluster) {
    this.child = spawn(path.join(process.env.BUILD || 'build', 'e2e_sealer'), [keys, cluster],
      { stdio: ['pipe', 'pipe', 'inherit'] });
    this.waiting = [];
    readline.createInterface({ input: this.child.stdout }).on('line', (line) => this.waiting.shift()(line));
    this.life = crypto.randomBytes(16);
    this.counter = 0n;
  }

  ask(...words) {
    return new Promise((done) => {
      this.waiting.push(done);
      this.child.stdin.write(`${words.join(' ')}\n`);
    });
  }

  async print() { return BigInt(await this.ask('print')); }

  async seal(kind, dst, plain) {
    const counter = Buffer.alloc(8);
    this.counter += 1n;
    counter.writeBigUInt64BE(this.counter);
    const sealed = await this.ask('seal', kind, dst.toString('hex'), this.life.toString('hex') + counter.toString('hex'),
      plain.toString('hex'));
    return Buffer.from(sealed, 'hex');
  }

  // What is inside, or null.
  async open(kind, dst, sealed) {
    const plain = await this.ask('open', kind, dst.toString('hex'), sealed.toString('hex'));
    return plain === 'refused' ? null : Buffer.from(plain, 'hex');
  }

  close() { this.child.stdin.end(); }
}

// Msgpack of numbers, Buffers, strings and arrays of them.
export function pack(value) {
  if (Array.isArray(value)) return Buffer.concat([Buffer.from([0xdc, 0, value.length]), ...value.map(pack)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.from([0xc4, value.length]), value]);
  if (typeof value === 'string') return Buffer.concat([Buffer.from([0xd9, value.length]), Buffer.from(value)]);
  if (value < 128) return Buffer.from([Number(value)]);
  const bytes = Buffer.from([0xcf, 0, 0, 0, 0, 0, 0, 0, 0]);
  bytes.writeBigUInt64BE(BigInt(value), 1);
  return bytes;
}

export function framed(bytes) {
  const head = Buffer.alloc(8);
  head.writeBigUInt64BE(BigInt(bytes.length));
  return Buffer.concat([head, bytes]);
}

// Says it to a lane from an address that no node has; resolves at the end of
// the connection, with what came back; null if it was open after ms.
export function toLane(port, bytes, { from = '127.0.0.66', end = false, ms = 15000 } = {}) {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1', localAddress: from });
    const chunks = [];
    const timer = setTimeout(() => { resolve(null); socket.destroy(); }, ms);
    socket.on('connect', () => {
      socket.write(Buffer.concat([GREETING, bytes]));
      if (end) socket.end();
    });
    socket.on('data', (data) => chunks.push(data));
    socket.on('error', () => {});
    socket.on('close', () => { clearTimeout(timer); resolve(Buffer.concat(chunks)); });
  });
}

// What a process holds of this machine.
export function held(pid) {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'latin1');
  const number = (name) => Number(status.match(new RegExp(`^${name}:\\s*(\\d+)`, 'm'))[1]);
  return { kib: number('VmRSS'), threads: number('Threads'), files: fs.readdirSync(`/proc/${pid}/fd`).length };
}
