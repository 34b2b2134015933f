// SPDX-License-Identifier: Apache-2.0
//
// What strangers, and newer nodes, do to the cluster's ports of a node with
// keys: counted by reason and dropped; nothing grows, the node stays ready, and
// a bystander hears every item that crosses the link once.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { Node, command, get, portRow, run, temporaryFolder, until } from './harness.mjs';
import { GOSSIP, GREETING, LINK, NOBODY, Sealer, Tap, framed, held, pack, toLane } from './hostile.mjs';

const tapHost = '127.0.0.2'; // a advertises it; the tap listens there
// A sanitizer keeps memory of its own, and much of it.
const isInstrumented = 'TSAN_OPTIONS' in process.env;
const folder = temporaryFolder();
const keys = `${folder}/keys`;
let a; // the target
let b; // says everything to a through the tap
let tap;
let sealer;
let socket; // a stranger's
let admin;
let client;
let bystander;
let baseline;
let sent = 0;

const token = async (...options) => (await run(['token', 'mint', '--keys', keys, '--sub', 'test', ...options]))
  .stdout.toString().trim();
const metrics = async (node) => (await get(`${node.url}/metrics`, { headers: { Authorization: admin } })).text;
async function refused(node, kind, reason) {
  const text = await metrics(node);
  const line = text.match(new RegExp(`^starling_${kind}_refused_total\\{reason="${reason}"\\} (\\d+)`, 'm'));
  assert.ok(line, `${kind} ${reason} has a number`);
  return Number(line[1]);
}

// Does it, and waits until so many more are counted.
async function counted(node, kind, reason, times, act) {
  const earlier = await refused(node, kind, reason);
  const result = await act();
  await until(`${times} more ${kind} ${reason}`, 10000, async () => await refused(node, kind, reason) >= earlier + times);
  return result;
}

const tell = (node, bytes) => new Promise((done) => { socket.send(bytes, node.port + 1, '127.0.0.1', done); });

// Who may be suspected for a moment: a flood costs packets of members too.
async function members(node) {
  const { text } = await get(`${node.url}/v1/cluster`, { headers: { Authorization: admin } });
  return JSON.parse(text).members.filter((m) => m.state === 'alive' || m.state === 'suspect').map((m) => m.name).sort();
}

async function publish(value) {
  const { code, stderr } = await run(['pub', 'demo', 'quiet', value], { url: b.url, env: { STARLING_TOKEN: client } });
  assert.equal(code, 0, stderr);
}

// An item from b reaches the bystander on a, as all before it did, once.
async function unharmed() {
  sent += 1;
  for (const node of [a, b]) {
    assert.equal(node.code, null, `${node.name} lives`);
    assert.equal((await get(`${node.url}/readyz`)).status, 200);
    assert.deepEqual(await members(node), ['a', 'b']);
  }
  await publish(`still ${sent}`);
  await until('the bystander hears it', 15000, () => bystander.out.includes(`"still ${sent}"`));
  for (let i = 1; i <= sent; i += 1) assert.equal(bystander.out.split(`"still ${i}"`).length, 2, `item ${i}, once`);
  assert.ok(!bystander.out.includes('"op":"gap"'));
}

before(async () => {
  assert.equal((await run(['keygen', keys])).code, 0);
  admin = await token('--scope', 'admin:read');
  client = await token('--cache', 'demo');
  const port = await portRow();
  tap = await Tap.open(port + 1, { host: tapHost });
  a = await Node.start({ name: 'a', port, args: ['--keys', keys, '--advertise', tapHost] });
  b = await Node.start({ name: 'b', args: ['--keys', keys, '--join', `${tapHost}:${port + 1}`], ready: false });
  tap.peer = b.port + 1;
  await b.ready();
  for (const node of [a, b]) {
    await until('both see both', 15000, async () => (await members(node)).length === 2);
  }
  sealer = new Sealer(keys, 'starling');
  socket = dgram.createSocket('udp4');
  socket.bind(0, '127.0.0.66');
  await once(socket, 'listening');
  bystander = command(['sub', 'demo', 'quiet', '--json'], { url: a.url, env: { STARLING_TOKEN: client } });
  bystander.out = '';
  bystander.child.stdout.on('data', (data) => { bystander.out += data; });
  await until('the bystander listens', 5000, async () => /starling_subscriptions 1$/m.test(await metrics(a)));
  await until('b knows what the bystander wants', 10000, async () => {
    await publish('first');
    return bystander.out.includes('"first"');
  });
  await unharmed();
  await until('something is recorded on each way', 5000, () => tap.datagrams.length > 5 &&
    tap.frames('control').length > 1 && tap.frames('data').length > 1);
  baseline = held(a.process.pid);
});

after(async () => {
  socket.close();
  sealer.close();
  bystander.child.kill();
  await Promise.all([a.kill(), b.kill()]);
  tap.close();
});

// A stranger with the right key, which it should not have, that is no member.
const me = { id: crypto.randomBytes(16), version: 1, least: 1 };
const head = (type, { version, least, id } = me) => [version, least, type, id, 0, 7];
const join = async (who, print) => pack([...head(1, who), print, 0, Buffer.alloc(16, 1), 7777, 7778, 'm', 'eu', '', '0.9']);

// What it answers, opened: [version, least, type, ...], and who it is.
async function asks(node, plain) {
  const answered = once(socket, 'message', { signal: AbortSignal.timeout(5000) });
  await tell(node, await sealer.seal(GOSSIP, NOBODY, plain));
  const [sealed] = await answered;
  const answer = await sealer.open(GOSSIP, me.id, sealed);
  assert.ok(answer, 'sealed for who asked');
  assert.ok(sealed.length <= plain.length + 50, 'J10 no longer than the question');
  return { version: answer[1], least: answer[2], type: answer[3], id: answer.subarray(6, 22) };
}

test('J2 gossip that was recorded is refused, here and elsewhere', async () => {
  const recorded = tap.datagrams.slice();
  await counted(a, 'gossip', 'replayed', recorded.length, () => Promise.all(recorded.map((bytes) => tell(a, bytes))));
  // For a, not for b; but for the joins, which have no destination.
  await counted(b, 'gossip', 'forged', 2, () => Promise.all(recorded.map((bytes) => tell(b, bytes))));
  await unharmed();
});

test('J4 gossip with any byte changed, cut anywhere or too long is refused', async () => {
  const { id } = await asks(a, await join(me, await sealer.print()));
  const packet = await sealer.seal(GOSSIP, id, Buffer.alloc(60)); // never heard as it is
  await counted(a, 'gossip', 'forged', packet.length - 2, async () => {
    for (let i = 0; i < packet.length; i += 1) {
      const changed = Buffer.from(packet);
      changed[i] ^= 1 << (i % 8);
      await tell(a, changed);
    }
  });
  await counted(a, 'gossip', 'garbage', 40, async () => {
    for (let i = 1; i < packet.length; i += 1) await tell(a, packet.subarray(0, i));
  });
  await counted(a, 'gossip', 'oversized', 10, async () => {
    for (let i = 0; i < 10; i += 1) await tell(a, Buffer.concat([packet, Buffer.alloc(3000 * (i + 1))]));
  });
  await unharmed();
});

test('J2 links that were recorded are refused', async () => {
  for (const [lane, port] of [['control', a.port + 1], ['data', a.port + 2]]) {
    const frames = tap.frames(lane);
    // All of it as it was, then the newest frame alone.
    for (const bytes of [Buffer.concat(frames), frames.at(-1)]) {
      const answer = await counted(a, 'link', 'replayed', 1, () => toLane(port, bytes));
      assert.ok(answer && answer.length <= GREETING.length, 'cut off, and told nothing');
    }
  }
  // b takes none of it either: it was not said to b.
  await counted(b, 'link', 'forged', 1, () => toLane(b.port + 1, tap.frames('control').at(-1)));
  await unharmed();
});

test('J4 B2 frames that are changed, cut, too long, empty or no frames are refused', async () => {
  const port = a.port + 2;
  const frame = tap.frames('data').at(-1).subarray(8);
  for (let i = 0; i < frame.length; i += 7) {
    const changed = Buffer.from(frame);
    changed[i] ^= 0x80;
    const reason = i < 2 ? 'garbage' : 'forged';
    assert.ok(await counted(a, 'link', reason, 1, () => toLane(port, framed(changed))), 'cut off');
  }
  await counted(a, 'link', 'garbage', 1, () => toLane(port, framed(Buffer.from('x'))));
  await counted(a, 'link', 'truncated', 1, () => toLane(port, framed(frame).subarray(0, 40), { end: true }));
  for (const len of [0n, 1n << 20n, 1n << 40n, (1n << 64n) - 1n]) {
    const head = Buffer.alloc(8);
    head.writeBigUInt64BE(len);
    assert.ok(await counted(a, 'link', 'oversized', 1, () => toLane(port, Buffer.concat([head, frame]))), 'cut off');
  }
  await counted(a, 'link', 'greeting', 1, () => new Promise((done) => {
    const http = net.connect({ port, host: '127.0.0.1', localAddress: '127.0.0.66' });
    http.end('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    http.on('error', () => {});
    http.on('close', done);
    http.resume();
  }));
  await unharmed();
});

test('J1 J3 with the right key: no sense, no member, another hash key or name', async () => {
  const { type, id } = await asks(a, await join(me, await sealer.print()));
  assert.equal(type, 2, 'a cookie: nothing is remembered before it comes back');
  assert.deepEqual(await members(a), ['a', 'b']);
  const { id: bId } = await asks(b, await join(me, await sealer.print()));
  const gossip = async (dst, plain, by = sealer) => tell(a, await by.seal(GOSSIP, dst, plain));
  await counted(a, 'gossip', 'malformed', 3, async () => {
    await gossip(id, Buffer.from('nonsense'));
    await gossip(id, pack(head(99)));
    await gossip(NOBODY, pack(head(12))); // only a join may lack a destination
  });
  // "b is dead", says a stranger.
  const dead = pack([2, 1000, bId]);
  await counted(a, 'gossip', 'unknown', 1, async () => gossip(id, Buffer.concat([pack(head(12)), dead])));
  await counted(a, 'gossip', 'forged', 1, async () => gossip(crypto.randomBytes(16), pack(head(12))));
  const other = new Sealer(keys, 'another');
  await counted(a, 'gossip', 'forged', 1, async () => gossip(id, pack(head(12)), other));
  other.close();
  const answer = await counted(a, 'gossip', 'join', 1, async () => asks(a, await join(me, 42n)));
  assert.equal(answer.type, 4, 'refused');
  assert.match(a.log, /peer-refused .*why="its hash key is another: it belongs to another cluster"/);

  const batch = async (...fields) => toLane(a.port + 2, framed(await sealer.seal(LINK, id, pack(fields))), { ms: 1000 });
  // version, least, lane, hop, kind, source, destination, epoch, sequence
  await counted(a, 'link', 'unknown', 1, () => batch(1, 1, 1, 0, 0, me.id, id, 1, 1));
  await counted(a, 'link', 'malformed', 3, async () => {
    assert.ok(await batch('nonsense'));
    assert.ok(await batch(1, 1, 0, 0, 0, me.id, id, 1, 1), 'on the other lane');
    assert.ok(await batch(1, 1, 1, 0, 0, me.id, me.id, 1, 1), 'for another node');
  });
  await unharmed();
});

test('4d 13 J9 a node of a newer version is refused with a sentence that names both ranges', async () => {
  const newer = { id: me.id, version: 9, least: 8 };
  await until('the log speaks of strangers again', 10000, async () => { // one line in 5 s
    await counted(a, 'gossip', 'version', 1, async () => {
      const answer = await asks(a, await join(newer, await sealer.print()));
      assert.deepEqual([answer.version, answer.least, answer.type], [1, 1, 4]);
    });
    return /peer-refused .*address=127\.0\.0\.66:\d+ why="it speaks versions 8 to 9 of the cluster protocol, this node 1 to 1"/
      .test(a.log);
  });
  const { id } = await asks(a, await join(me, await sealer.print()));
  const frame = framed(await sealer.seal(LINK, id, pack([9, 8, 'whatever', 'comes', 'then'])));
  assert.ok(await counted(a, 'link', 'version', 1, () => toLane(a.port + 2, frame)), 'cut off');
  assert.match(a.log, /peer-refused .*why="a link speaks versions 8 to 9 of the cluster protocol, this node 1 to 1"/);
  await unharmed();
});

test('A8 J8 connections that are held open are bounded, and end', { timeout: 60000 }, async () => {
  const open = [];
  const half = Buffer.concat([GREETING, framed(Buffer.alloc(100000)).subarray(0, 60000)]);
  await counted(a, 'link', 'silent', 200, async () => {
    await counted(a, 'link', 'crowded', 50, async () => {
      for (let i = 0; i < 400; i += 1) {
        const socket = net.connect({ port: a.port + 1 + (i % 2), host: '127.0.0.1', localAddress: `127.1.${i >> 6}.${1 + i % 64}` });
        socket.on('error', () => {});
        socket.on('connect', () => socket.write(half));
        socket.resume();
        open.push(socket);
      }
    });
    // 256 strangers, and what the test itself asks.
    await until('the others are closed', 5000, () => held(a.process.pid).files <= baseline.files + 256 + 8);
    const now = held(a.process.pid);
    assert.equal(now.threads, baseline.threads);
    assert.ok(isInstrumented || now.kib <= baseline.kib + (64 << 10), `${now.kib} KiB, ${baseline.kib} before`);
    await unharmed();
    await Promise.all(open.map((socket) => socket.closed || once(socket, 'close')));
  });
  await unharmed();
});

// From a process of its own: the tap, through which b speaks, is in this one.
const flood = `
  const [port, ...hex] = process.argv.slice(1);
  const packets = hex.map((digits) => Buffer.from(digits, 'hex'));
  const socket = require('node:dgram').createSocket('udp4');
  (async () => {
    for (let i = 0; i < 1000; i += 1) {
      await Promise.all(Array.from({ length: 100 }, (_, n) => new Promise((done) => {
        socket.send(packets[n % packets.length], port, '127.0.0.1', done);
      })));
    }
    socket.close();
  })();`;

test('a flood of packets takes nothing from the members', { timeout: 60000 }, async () => {
  const packets = [crypto.randomBytes(1200), tap.datagrams.at(-1), Buffer.alloc(1400, 'S')];
  const flooder = spawn(process.execPath, ['-e', flood, a.port + 1, ...packets.map((bytes) => bytes.toString('hex'))]);
  await counted(a, 'gossip', 'garbage', 100, () => once(flooder, 'exit'));
  assert.equal(await refused(a, 'gossip', 'flood'), 0);
  await unharmed();
});

test('nothing of all this is kept', { timeout: 30000 }, async () => {
  await until('the files are those of before', 15000, () => held(a.process.pid).files <= baseline.files);
  const now = held(a.process.pid);
  assert.equal(now.threads, baseline.threads);
  // What 256 strangers had is free, but the allocator keeps some of it; it does
  // not grow when they come again.
  assert.ok(isInstrumented || now.kib <= baseline.kib + (32 << 10), `${now.kib} KiB, ${baseline.kib} before`);
  assert.ok(!/ error | warn (?!peer-refused|key-unknown)/.test(a.log), a.log);
});
