// SPDX-License-Identifier: Apache-2.0
//
// redis-cli, redis-benchmark and curl, as one types them; redis-py in a script.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ITEMS = 100;
const wanted = Array.from({ length: ITEMS }, (_, n) => `item ${n}`);

// A program that runs; `out` grows. It ends with its input or by close().
function begin(program, args, input) {
  const child = spawn(program, args, { stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] });
  const self = { out: '', code: undefined };
  child.stdout.on('data', (data) => { self.out += data; });
  child.stderr.on('data', (data) => { self.out += data; });
  self.done = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => { self.code = code; resolve(self); });
  });
  self.done.catch(() => {});
  self.close = () => child.kill();
  if (input !== undefined) {
    child.stdin.end(input);
  }
  return self;
}

const finish = (program, args, input) => begin(program, args, input).done;
const cli = (port, ...words) => ['-p', String(port), ...words];

// The values among what redis-cli prints for a subscriber.
function values(out, kind, before) {
  const lines = out.split('\n');
  return lines.filter((line, i) => lines[i - before] === kind);
}

// One redis-cli subscribes on each node, one publishes on each.
async function redisCli({ ports, until, warm, run }, later, ...flags) {
  const channel = `${run}.cli${flags.join('')}`;
  const readers = ports.map((port) => later(begin('redis-cli',
    cli(port, ...flags, 'subscribe', channel))));
  for (const reader of readers) {
    await until('a subscription', () => reader.out.includes(`subscribe\n${channel}\n1\n`));
  }
  for (const port of ports) {
    await warm(`${port}`, () => finish('redis-cli', cli(port, 'publish', channel, `warm of ${port}`)),
      () => readers.every((reader) => reader.out.includes(`warm of ${port}\n`)));
    const lines = wanted.map((value) => `publish ${channel} "${value} of ${port}"\n`).join('');
    const writer = await finish('redis-cli', cli(port, ...flags), lines);
    assert.equal(writer.code, 0);
    assert.match(writer.out, /^(\d+\n)+$/);
  }
  for (const reader of readers) {
    for (const port of ports) {
      const mine = () => values(reader.out, 'message', 2).filter((v) => v.startsWith('item ') && v.endsWith(` of ${port}`));
      await until(`the items of ${port}`, () => mine().length >= ITEMS);
      assert.deepEqual(mine(), wanted.map((value) => `${value} of ${port}`));
    }
  }
}

async function redisCliPatterns({ ports, until, warm, run }, later) {
  const reader = later(begin('redis-cli', cli(ports[0], 'psubscribe', `${run}.p?[a-c]*`)));
  const got = () => values(reader.out, 'pmessage', 3);
  await until('a subscription', () => reader.out.includes('psubscribe\n'));
  for (const port of ports) {
    const publish = (topic, value) => finish('redis-cli', cli(port, 'publish', `${run}.${topic}`, value));
    await warm(`${port}`, () => publish('pxa', `warm of ${port}`), () => got().includes(`warm of ${port}`));
    await publish('pxd', 'no');
    await publish('pxb1', `yes of ${port}`);
    await until('the item', () => got().includes(`yes of ${port}`));
  }
  assert.deepEqual(got().filter((value) => !value.startsWith('warm')), ports.map((port) => `yes of ${port}`));
}

// Mass insertion: raw commands, answers counted.
async function redisCliPipe({ ports, run }) {
  const command = `*3\r\n$7\r\nPUBLISH\r\n$${run.length}\r\n${run}\r\n$1\r\nx\r\n`;
  const done = await finish('redis-cli', cli(ports[0], '--pipe'), command.repeat(10000));
  assert.match(done.out, /errors: 0, replies: 10000/);
}

async function redisCliQuestions({ ports }) {
  const [port] = ports;
  const ask = async (...words) => (await finish('redis-cli', cli(port, ...words))).out;
  assert.match(await ask('info'), /^loading:0\r?$/m);
  assert.match(await ask('-3', 'hello', '3'), /redis/);
  assert.equal(await ask('publish', '', 'x'), 'ERR invalid topic\n\n');
  assert.equal(await ask('echo', 'a b'), 'a b\n');
  assert.match(await ask('-c', 'cluster', 'nodes'), / myself,master - 0 0 0 connected 0-16383\n/);
  assert.equal(await ask('-c', 'cluster', 'keyslot', 'a{123456789}'), '12739\n');
  assert.match(await ask('--user', 'demo', '--pass', 'any', 'client', 'info'), / user=demo /);
}

async function redisBenchmark({ ports, run }) {
  for (const more of [[], ['-P', '16']]) {
    const done = await finish('redis-benchmark',
      ['-p', String(ports[0]), '-n', '20000', '-q', ...more, 'PUBLISH', run, 'x']);
    assert.equal(done.code, 0);
    assert.match(done.out, /requests per second/);
  }
}

// Published by curl, heard by redis-cli, and the other way round.
async function curl({ ports, until, warm, run }, later) {
  const topic = `${run}.curl`;
  const url = (port) => `http://127.0.0.1:${port}/topics/default/${topic}`;
  const redis = later(begin('redis-cli', cli(ports[0], 'subscribe', topic)));
  const stream = later(begin('curl', ['-sN', '-H', 'Accept: text/event-stream', url(ports.at(-1))]));
  await until('both subscriptions', () => redis.out.includes('subscribe\n') && stream.out.includes('id: '));
  await warm('curl to both', async () => {
    const posted = await finish('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', '-d', 'by curl', url(ports.at(-1))]);
    assert.equal(posted.out, '204');
  }, () => redis.out.includes('by curl\n') && stream.out.includes('data: by curl\n'));
  await warm('redis-cli to both', () => finish('redis-cli', cli(ports[0], 'publish', topic, 'by redis')),
    () => redis.out.includes('by redis\n') && stream.out.includes('data: by redis\n'));
}

// Debian's packages belong to its own Python.
const python = ['/usr/bin/python3', 'python3']
  .find((path) => spawnSync(path, ['-c', 'import redis.cluster']).status === 0);

async function redisPy({ ports, run }) {
  const script = fileURLToPath(new URL('cluster.py', import.meta.url));
  const done = await finish(python, [script, ports[0], ports.at(-1), `${run}.python`].map(String));
  assert.equal(done.code, 0, done.out);
}

export async function checkTools(world) {
  await world.check('redis-cli, RESP2', (later) => redisCli(world, later, '-2'));
  await world.check('redis-cli, RESP3', (later) => redisCli(world, later, '-3'));
  await world.check('redis-cli -c', (later) => redisCli(world, later, '-c'));
  await world.check('redis-cli: patterns', (later) => redisCliPatterns(world, later));
  await world.check('redis-cli: --pipe', () => redisCliPipe(world));
  await world.check('redis-cli: questions', () => redisCliQuestions(world));
  await world.check('redis-benchmark', () => redisBenchmark(world));
  await world.check('curl and redis-cli', (later) => curl(world, later));
  if (python) {
    await world.check('redis-py, cluster', () => redisPy(world));
  } else {
    console.log('skipped redis-py: needs python3-redis');
  }
}
