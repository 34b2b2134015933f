// SPDX-License-Identifier: Apache-2.0
//
// Redis libraries: on each node a subscriber and a publisher of each of them.
// Everybody hears everything, whole and in the order of its publisher.
import assert from 'node:assert/strict';
import { libraries } from './libraries.mjs';

const ITEMS = 200;
const wanted = Array.from({ length: ITEMS }, (_, n) => n);

// Collects "PUBLISHER N" by publisher. Warm-up items only show that it is heard.
function collector() {
  const warmed = new Set();
  const seen = new Map();
  const hear = (channel, value) => {
    const [publisher, n] = String(value).split(' ');
    warmed.add(publisher);
    if (n !== 'warm') {
      seen.set(publisher, [...(seen.get(publisher) ?? []), Number(n)]);
    }
  };
  return {
    hear,
    hears: (publisher) => warmed.has(String(publisher)),
    of: (publisher) => seen.get(String(publisher)) ?? [],
  };
}

async function everybodyHearsEverything({ ports, until, warm, run }, later, library, verb) {
  const channel = `${run}.${verb}`;
  const readers = [];
  for (const port of ports) {
    const reader = later(await library.open({ port }));
    const got = collector();
    await reader[verb](verb === 'psubscribe' ? `${channel}*` : channel, got.hear);
    readers.push({ port, got });
  }
  await Promise.all(ports.map(async (port) => {
    const client = later(await library.open({ port }));
    await warm(`${port}`, () => client.publish(channel, `${port} warm`),
      () => readers.every((reader) => reader.got.hears(port)));
    await Promise.all(wanted.map((n) => client.publish(channel, `${port} ${n}`)));
  }));
  for (const port of ports) {
    for (const reader of readers) {
      await until(`${port} to ${reader.port}`, () => reader.got.of(port).length >= ITEMS);
      assert.deepEqual(reader.got.of(port), wanted);
    }
  }
}

async function bytesStayBytes({ ports, until, warm, run }, later, library) {
  const values = [Buffer.from([0, 255, 254, 13, 10]), Buffer.alloc(0),
    Buffer.from('$-1\r\n'), Buffer.alloc(100000, 0xe9)];
  const channel = `${run}.bytes`;
  const reader = later(await library.open({ port: ports[0] }));
  const writer = later(await library.open({ port: ports.at(-1) }));
  let heard = false;
  const got = [];
  await reader.subscribe(channel, (_, value) => {
    heard = true;
    if (String(value) !== 'warm') {
      got.push(value.toString('hex'));
    }
  });
  await warm('bytes', () => writer.publish(channel, 'warm'), () => heard);
  for (const value of values) {
    await writer.publish(channel, value);
  }
  await until('all values', () => got.length >= values.length);
  assert.deepEqual(got, values.map((value) => value.toString('hex')));
}

async function countsAndEnds({ ports, run }, later, library) {
  const channel = `${run}.count`;
  const reader = later(await library.open({ port: ports[0] }));
  const writer = later(await library.open({ port: ports[0] }));
  await reader.subscribe(channel, () => {});
  assert.equal(Number(await writer.publish(channel, 'x')), 1);
  assert.deepEqual((await writer.send('PUBSUB', 'NUMSUB', channel)).map(String), [channel, '1']);
  await reader.unsubscribe(channel);
  assert.equal(Number(await writer.publish(channel, 'x')), 0);
}

// The user name of a login is the cache.
async function cachesAreApart({ ports, warm, run }, later, library) {
  const login = { port: ports[0], user: run, password: 'any' };
  const reader = later(await library.open(login));
  const got = [];
  await reader.subscribe('same', (channel, value) => got.push(String(value)));
  const other = later(await library.open({ port: ports[0] }));
  await other.publish('same', 'wrong');
  const writer = later(await library.open({ ...login, port: ports.at(-1) }));
  await warm('the item', () => writer.publish('same', 'right'), () => got.length > 0);
  assert.deepEqual([...new Set(got)], ['right']);
}

// Of two nodes that it knows, the one that it reads from is killed.
async function movesOn({ ports, warm, run, spare }, later, library) {
  const channel = `${run}.moves`;
  const nodes = [later(await spare('a')), later(await spare('b'))];
  const writer = later(await library.open({ port: ports[0] }));
  const reader = later(await library.open({ ports: nodes.map((node) => node.port) }));
  let heard = 0;
  await reader.subscribe(channel, () => { heard += 1; });
  await warm('before', () => writer.publish(channel, 'x'), () => heard > 0);
  const counts = await Promise.all(nodes.map(async ({ port }) => {
    const here = later(await library.open({ port }));
    return Number(await here.publish(channel, 'x')); // of this node only
  }));
  assert.deepEqual([...counts].sort(), [0, 1]);
  await nodes[counts.indexOf(1)].close();
  const before = heard;
  await warm('after', () => writer.publish(channel, 'x'), () => heard > before);
}

async function refusalsAreErrors({ ports }, later, library) {
  const client = later(await library.open({ port: ports[0] }));
  await assert.rejects(client.publish('', 'x'), /invalid topic/);
  await assert.rejects(client.send('NOSUCH', 'x'), /unknown command 'NOSUCH'/);
  assert.equal(String(await client.send('PING', 'still')), 'still');
}

export async function checkLibraries(world) {
  const major = Number(process.versions.node.split('.')[0]);

  for (const [name, library] of Object.entries(libraries)) {
    if (major < library.least) {
      console.log(`skipped ${name}: needs Node ${library.least}`);
      continue;
    }
    for (const verb of ['subscribe', 'psubscribe', 'ssubscribe']) {
      await world.check(`${name}: ${verb}`,
        (later) => everybodyHearsEverything(world, later, library, verb));
    }
    await world.check(`${name}: any bytes`, (later) => bytesStayBytes(world, later, library));
    await world.check(`${name}: counts, unsubscribe`, (later) => countsAndEnds(world, later, library));
    await world.check(`${name}: caches`, (later) => cachesAreApart(world, later, library));
    await world.check(`${name}: errors`, (later) => refusalsAreErrors(world, later, library));
    if (library.moves && world.spare) {
      await world.check(`${name}: moves on`, (later) => movesOn(world, later, library));
    }
  }
}
