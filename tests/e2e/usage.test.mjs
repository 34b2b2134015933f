// SPDX-License-Identifier: Apache-2.0
//
// What /v1/usage says is what clients published and heard, exactly, whichever
// node is asked.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Node, get, run, startCluster, stopAll, temporaryFolder, until } from './harness.mjs';

const DEADLINE_MS = 10000;
const LENGTHS = [0, 1, 1000, 1024, 1025, 3000];
const END = 5; // a length that no other item has
const REGIONS = ['eu', 'eu', 'us'];
let nodes = [];
const open = [];
before(async () => { nodes = await startCluster(REGIONS); });
after(() => { for (const socket of open) socket.destroy(); return stopAll(nodes); });

const none = () => ({ items: 0, bytes: 0, operations: 0 });
function add(count, length, times = 1) {
  count.items += times;
  count.bytes += length * times;
  count.operations += Math.max(1, Math.ceil(length / 1024)) * times;
}
function addAll(counts) {
  const sum = none();
  for (const count of counts) for (const name of Object.keys(sum)) sum[name] += count[name];
  return sum;
}

// A node waits 2 s for the others.
const usageOf = async (node) => JSON.parse((await get(`${node.url}/v1/usage`, { signal: AbortSignal.timeout(DEADLINE_MS) })).text);
const cacheOf = (usage, name) => usage.caches.find(({ cache }) => cache === name);
const regionOf = (cache, name) => cache.regions.find(({ region }) => region === name);

// --- readers: each counts what it hears ---

function hear(reader, length) {
  add(reader.heard, length);
  reader.ends += length === END;
}

// RESP, with the cache as the user name.
function redis(node, cache, verb, name) {
  const reader = { region: node.options.region, heard: none(), ends: 0, subscribed: false };
  const kind = verb === 'PSUBSCRIBE' ? 'pmessage' : 'message';
  const words = kind === 'pmessage' ? 4 : 3;
  const socket = net.connect(node.port, '127.0.0.1');
  let text = '';
  socket.on('data', (data) => {
    text += data;
    reader.subscribed = reader.subscribed || text.includes('subscribe\r\n');
    // Values are x only, so lengths and lines are enough.
    const item = new RegExp(`\\*${words}\\r\\n\\$\\d+\\r\\n${kind}\\r\\n(?:\\$\\d+\\r\\n[^\\r]*\\r\\n){${words - 2}}` +
      '\\$(\\d+)\\r\\n(x*)\\r\\n', 'y');
    item.lastIndex = Math.max(0, text.indexOf(`*${words}\r\n$${kind.length}\r\n${kind}`));
    let end = 0;
    for (let match = item.exec(text); match; match = item.exec(text)) {
      hear(reader, Number(match[1]));
      end = item.lastIndex;
    }
    text = text.slice(end);
  });
  open.push(socket);
  if (cache !== 'default') socket.write(`AUTH ${cache} any\r\n`);
  socket.write(`${verb} ${name}\r\n`);
  return reader;
}

function sse(node, cache, topic) {
  const reader = { region: node.options.region, heard: none(), ends: 0, subscribed: false };
  const request = http.get(`${node.url}/topics/${cache}/${topic}`, { headers: { Accept: 'text/event-stream' } }, (response) => {
    let text = '';
    reader.subscribed = response.statusCode === 200;
    response.on('data', (data) => {
      text += data;
      const events = text.split('\n\n');
      text = events.pop();
      for (const event of events) {
        const line = event.split('\n').find((field) => field.startsWith('data:'));
        if (line !== undefined && !event.includes('event: starling')) hear(reader, line.replace(/^data: ?/, '').length);
      }
    });
  });
  open.push(request);
  return reader;
}

// --- writers ---

const said = { default: { eu: none(), us: none() }, shop: { eu: none(), us: none() } };
async function publish(node, cache, topic, length) {
  const { status } = await get(`${node.url}/topics/${cache}/${topic}`, { method: 'POST', body: 'x'.repeat(length) });
  assert.equal(status, 204);
  add(said[cache][node.options.region], length);
}

test('what is counted is what clients published and heard', async () => {
  const [a, b, c] = nodes;
  const inDefault = [redis(a, 'default', 'SUBSCRIBE', 't'), redis(b, 'default', 'SUBSCRIBE', 't'),
    redis(b, 'default', 'PSUBSCRIBE', '*'), redis(c, 'default', 'SUBSCRIBE', 't'), sse(a, 'default', 't'), sse(c, 'default', 't')];
  const inShop = [redis(a, 'shop', 'SUBSCRIBE', 't'), redis(c, 'shop', 'PSUBSCRIBE', 't*')];
  await until('all are subscribed', DEADLINE_MS, () => [...inDefault, ...inShop].every((reader) => reader.subscribed));
  // Another region knows a little later.
  await until('all hear', DEADLINE_MS, async () => {
    for (const node of nodes) for (const cache of ['default', 'shop']) await publish(node, cache, 't', 7);
    return [...inDefault, ...inShop].every(({ heard }) => heard.items > 0);
  });
  for (const node of nodes) {
    for (const length of LENGTHS) {
      await publish(node, 'default', 't', length);
      await publish(node, 'shop', 't', length);
      await publish(node, 'default', 'nobody', length); // but the pattern
    }
  }
  const { code } = await run(['pub', 'shop', 't', 'xxx'], { url: c.url });
  assert.equal(code, 0);
  add(said.shop.us, 3);
  // Behind all others of each node.
  for (const node of nodes) for (const cache of ['default', 'shop']) await publish(node, cache, 't', END);
  await until('all heard the ends', DEADLINE_MS, () => [...inDefault, ...inShop].every(({ ends }) => ends === nodes.length));
  await check(inDefault, inShop);
});

// Asks each node until nothing is under way any more, then compares.
async function check(inDefault, inShop) {
  for (const node of nodes) {
    let usage;
    await until('the counts are those of the clients', DEADLINE_MS, async () => {
      usage = await usageOf(node);
      return usage.complete && cacheOf(usage, 'default').out.items === addAll(inDefault.map(({ heard }) => heard)).items &&
        cacheOf(usage, 'shop').out.items === addAll(inShop.map(({ heard }) => heard)).items;
    });
    for (const [name, readers] of [['default', inDefault], ['shop', inShop]]) {
      const cache = cacheOf(usage, name);
      assert.deepEqual(cache.in, addAll(Object.values(said[name])), `${node.name}: in of ${name}`);
      assert.deepEqual(cache.out, addAll(readers.map(({ heard }) => heard)), `${node.name}: out of ${name}`);
      for (const region of ['eu', 'us']) {
        assert.deepEqual(regionOf(cache, region).in, said[name][region], `${node.name}: in of ${name} in ${region}`);
        assert.deepEqual(regionOf(cache, region).out,
          addAll(readers.filter((reader) => reader.region === region).map(({ heard }) => heard)), `${node.name}: out of ${name} in ${region}`);
      }
      assert.equal(cache.refused, 0);
    }
    assert.equal(usage.asked, node.name);
    assert.deepEqual(usage.nodes.map(({ name }) => name).sort(), ['n1', 'n2', 'n3']);
    for (const one of usage.nodes) assert.ok(Math.abs(Date.now() - one.since_ms) < 120000 && one.answered);
    for (const direction of ['in', 'out']) {
      assert.deepEqual(usage.total[direction], addAll(usage.caches.map((cache) => cache[direction])));
      assert.deepEqual(usage.total[direction], addAll(usage.regions.map((region) => region[direction])));
    }
  }
}

test('the metrics of all nodes add up to the same', async () => {
  const usage = await usageOf(nodes[0]);
  const pages = await Promise.all(nodes.map(async (node) => (await get(`${node.url}/metrics`)).text));
  for (const cache of ['default', 'shop']) {
    for (const direction of ['in', 'out']) {
      for (const what of ['items', 'bytes', 'operations']) {
        const line = new RegExp(`^starling_usage_${what}_total\\{cache="${cache}",direction="${direction}"\\} (\\d+)$`, 'm');
        const sum = pages.reduce((all, page) => all + Number((line.exec(page) || [0, 0])[1]), 0);
        assert.equal(sum, cacheOf(usage, cache)[direction][what], `${what} ${direction} of ${cache}`);
      }
    }
  }
});

test('starling usage prints it', async () => {
  const { code, stdout } = await run(['usage'], { url: nodes[1].url });
  const usage = await usageOf(nodes[1]);
  assert.equal(code, 0);
  const shop = regionOf(cacheOf(usage, 'shop'), 'us');
  assert.match(`${stdout}`, new RegExp(`^shop +us +${shop.in.items} +${shop.in.bytes} +${shop.in.operations} +${shop.out.items} `, 'm'));
  assert.match(`${stdout}`, new RegExp(`^\\(all\\) +\\(all\\) +${usage.total.in.items} `, 'm'));
  assert.match(`${stdout}`, /^n2 in eu counts since 20\d\d-/m);
  const asJson = JSON.parse((await run(['usage', '--json'], { url: nodes[1].url })).stdout);
  assert.deepEqual(asJson.total, usage.total);
});

test('the workers of a process are summed, whichever is asked', async () => {
  const node = await Node.start({ name: 'w', region: 'eu', args: ['--workers', '2'] });
  nodes.push(node); // to be ended
  const own = [0, 1].map((worker) => `http://127.0.0.1:${node.port + 3 * worker}`);
  await until('the workers are linked', DEADLINE_MS, async () => JSON.parse((await get(`${own[0]}/v1/cluster`)).text).links.up === 1);
  const line = /^starling_usage_items_total\{cache="of-workers",direction="in"\} (\d+)$/m;
  for (let i = 0; i < 20; i += 1) {
    const { status } = await get(`${node.url}/topics/of-workers/t`, { method: 'POST', body: 'x' });
    assert.equal(status, 204);
  }
  assert.equal(cacheOf(await usageOf(node), 'of-workers').in.items, 20);
  assert.equal(cacheOf(await usageOf({ url: own[1] }), 'of-workers').in.items, 20);
  assert.equal(line.exec((await get(`${node.url}/metrics`)).text)[1], '20');
  await node.kill('SIGTERM');
});

test('a quota of the configuration holds at the node that has it, for its clients only', async () => {
  const file = path.join(temporaryFolder(), 'quotas.yaml');
  fs.writeFileSync(file, 'caches:\n  - name: small\n    publish_rate: 1\n    item_len: 2k\n    subs: 2\n');
  const node = await Node.start({ name: 'q', region: 'eu', join: [nodes[0]], args: ['--config', file] });
  nodes.push(node); // to be ended
  const post = (one, topic, length) => fetch(`${one.url}/topics/small/${topic}`, { method: 'POST', body: 'x'.repeat(length) });
  const readers = [redis(node, 'small', 'SUBSCRIBE', 't'), sse(node, 'small', 't')];
  await until('both are subscribed', DEADLINE_MS, () => readers.every(({ subscribed }) => subscribed));

  const third = await fetch(`${node.url}/topics/small/t`, { headers: { Accept: 'text/event-stream' } });
  assert.equal(third.status, 429);
  assert.equal((await third.json()).error, 'QUOTA_SUBS');
  const large = await post(node, 't', 2049);
  assert.deepEqual([large.status, large.headers.get('retry-after'), (await large.json()).error], [429, null, 'QUOTA_ITEM']);
  const answers = await Promise.all(Array.from({ length: 20 }, () => post(node, 't', 1)));
  const taken = answers.filter(({ status }) => status === 204).length;
  const refused = answers.filter(({ status }) => status === 429);
  assert.ok(taken > 0 && refused.length > 0 && taken + refused.length === 20, `${taken} were taken`);
  for (const answer of refused) assert.equal(answer.headers.get('retry-after'), '1');
  const { code, stderr } = await run(['pub', 'small', 't', 'x'.repeat(3000)], { url: node.url });
  assert.equal(code, 1);
  assert.match(stderr, /over the item size of this cache/);

  // Another node has no quota, and the link none at all.
  await until('the readers hear n1', DEADLINE_MS, async () => {
    assert.equal((await post(nodes[0], 't', 7)).status, 204);
    return readers.every(({ heard }) => heard.items > taken);
  });
  for (let i = 0; i < 30; i += 1) assert.equal((await post(nodes[0], 't', 3000)).status, 204);
  assert.equal((await post(nodes[0], 't', END)).status, 204);
  await until('all came', DEADLINE_MS, () => readers.every(({ ends }) => ends === 1));
  for (const { heard } of readers) assert.ok(heard.items >= taken + 32 && heard.bytes >= 90000);

  const usage = await usageOf(nodes[1]);
  assert.equal(cacheOf(usage, 'small').refused, 3 + refused.length);
  assert.equal(cacheOf(usage, 'small').out.items, addAll(readers.map(({ heard }) => heard)).items);
  await node.kill('SIGTERM');
});

test('the quota of a created cache holds on all nodes', async () => {
  const put = (quota) => get(`${nodes[0].url}/v1/caches/limited`, { method: 'PUT', body: JSON.stringify(quota) });
  const post = (node, length) => get(`${node.url}/topics/limited/t`, { method: 'POST', body: 'x'.repeat(length) });
  const allSay = (status, length) => async () => (await Promise.all(nodes.slice(0, 3).map((node) => post(node, length))))
    .every((answer) => answer.status === status);
  assert.ok((await put({ item_len: 10 })).status < 300);
  await until('it holds', DEADLINE_MS, allSay(429, 11));
  assert.ok(await allSay(204, 10)());
  assert.ok((await put({ item_len: 20 })).status < 300);
  await until('the new one holds', DEADLINE_MS, allSay(204, 20));
  assert.ok(await allSay(429, 21)());
});

test('who is gone is named, and its counts are missing', async () => {
  const before = await usageOf(nodes[0]);
  await nodes[2].kill();
  const usage = await until('n3 is missed', DEADLINE_MS, async () => {
    const now = await usageOf(nodes[0]);
    return now.nodes.some(({ name, dead }) => name === 'n3' && dead) && now;
  });
  assert.equal(usage.complete, false);
  assert.equal(usage.nodes.find(({ name }) => name === 'n3').answered, false);
  assert.deepEqual(regionOf(cacheOf(usage, 'shop'), 'eu'), regionOf(cacheOf(before, 'shop'), 'eu'));
  assert.equal(regionOf(cacheOf(usage, 'shop'), 'us'), undefined);
  const { stdout } = await run(['usage'], { url: nodes[0].url });
  assert.match(`${stdout}`, /^n3 in us does not answer \(dead, or cut off\): its counts are missing$/m);
});
