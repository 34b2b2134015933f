// SPDX-License-Identifier: Apache-2.0
//
// What every program does first, against one node and across two regions, without
// keys: publish, subscribe, text, binary, empty, names, bounds, many at once.
import assert from 'node:assert/strict';
import { freshTopic, pause, until, warm } from './cases.mjs';
import { Reader, authClient, cacheClient, credentials, publish, refused, sdk, success, topicClient } from './sdk.mjs';

const TEXT = 'grüße, \u{1F426} and \u0000 too';
const BINARY = Uint8Array.from({ length: 256 }, (_, i) => i);

// Publishes on `from` and reads on `to`, from the first item that crosses.
async function crosses(later, from, to) {
  const publisher = later(topicClient(credentials(from.port))).client;
  const subscriber = later(topicClient(credentials(to.port))).client;
  const topic = freshTopic();
  const reader = later(await Reader.open(subscriber, 'demo', topic));
  await warm('the first item', () => publish(publisher, 'demo', topic, 'warm'), () => reader.items.length > 0);
  const before = await settled(reader);
  await publish(publisher, 'demo', topic, TEXT);
  await publish(publisher, 'demo', topic, BINARY);
  await publish(publisher, 'demo', topic, 'last');
  await reader.has(before + 3);
  const [text, binary, last] = reader.items.slice(before);
  assert.equal(text.value, TEXT);
  assert.deepEqual(new Uint8Array(binary.value), BINARY);
  assert.equal(last.value, 'last');
  reader.items.slice(1).forEach((item, i) => assert.equal(item.seq, reader.items[i].seq + 1));
  assert.deepEqual([reader.gaps, reader.errors], [[], []]);
}

// How many items there are, when no more come.
async function settled(reader) {
  let count;
  do {
    count = reader.items.length;
    await pause(200);
  } while (count !== reader.items.length);
  return count;
}

export function basicCases([eu, us]) {
  const client = (later, node = eu) => later(topicClient(credentials(node.port))).client;
  return {
    'publish and subscribe on one node': (later) => crosses(later, eu, eu),
    'publish in one region, subscribe in another': (later) => crosses(later, us, eu),

    'subscribed means subscribed, sequence from 1, a heartbeat first': async (later) => {
      const topics = client(later);
      const topic = freshTopic();
      const reader = later(await Reader.open(topics, 'demo', topic));
      assert.equal(reader.heartbeats, 1);
      for (let i = 1; i <= 3; i += 1) await publish(topics, 'demo', topic, `${i}`);
      await reader.has(3);
      assert.deepEqual(reader.items.map((item) => [item.seq, item.value]), [[1, '1'], [2, '2'], [3, '3']]);
    },
    'heartbeats go on': async (later) => {
      const reader = later(await Reader.open(client(later), 'demo', freshTopic()));
      await until('a second one within 10 s', () => reader.heartbeats > 1, 10000);
    },
    'publish without a subscriber': async (later) => publish(client(later), 'demo', freshTopic(), 'x'),
    'an empty text comes as an empty value': async (later) => {
      const topics = client(later);
      const topic = freshTopic();
      const reader = later(await Reader.open(topics, 'demo', topic));
      await publish(topics, 'demo', topic, '');
      await publish(topics, 'demo', topic, new Uint8Array(0));
      await reader.has(2);
      assert.deepEqual(reader.items.map((item) => item.value.length), [0, 0]);
      assert.deepEqual(reader.errors, []);
    },
    'nothing comes after unsubscribe': async (later) => {
      const topics = client(later);
      const topic = freshTopic();
      const reader = await Reader.open(topics, 'demo', topic);
      const stays = later(await Reader.open(topics, 'demo', topic));
      reader.close();
      await until('it ended', () => reader.ended === 1);
      await publish(topics, 'demo', topic, 'x');
      await stays.has(1);
      assert.deepEqual([reader.items, reader.errors], [[], []]);
      const numbers = await (await fetch(`${eu.url}/v1/cluster`)).json();
      assert.ok(numbers.subscriptions >= 1);
    },
    'blank names are refused by SDK and node': async (later) => {
      const topics = client(later);
      for (const [cache, topic] of [['', 'x'], ['demo', ''], ['  ', 'x'], ['demo', '  ']]) {
        await refused('INVALID_ARGUMENT_ERROR', () => publish(topics, cache, topic, 'x'));
        await refused('INVALID_ARGUMENT_ERROR', () => Reader.open(topics, cache, topic));
      }
    },
    'names that are none here are invalid arguments': async (later) => {
      const topics = client(later);
      for (const [cache, topic] of [['a/b', 'x'], ['x'.repeat(65), 'x'], ['demo', 'a\nb'], ['demo', 'x'.repeat(513)]]) {
        await refused('INVALID_ARGUMENT_ERROR', () => publish(topics, cache, topic, 'x'));
        await refused('INVALID_ARGUMENT_ERROR', () => Reader.open(topics, cache, topic));
      }
    },
    'the largest item, and one byte more': async (later) => {
      const topics = client(later);
      const topic = freshTopic();
      const reader = later(await Reader.open(topics, 'demo', topic));
      const largest = 'x'.repeat(1 << 20);
      await publish(topics, 'demo', topic, largest);
      await reader.has(1); // two of them at once are more than may wait for a reader
      await publish(topics, 'demo', topic, new Uint8Array(1 << 20));
      await reader.has(2);
      await refused('LIMIT_EXCEEDED_ERROR', () => publish(topics, 'demo', topic, `${largest}x`), /^publish: \S+ Item size/);
      await publish(topics, 'demo', topic, 'after');
      await reader.has(3);
      assert.deepEqual(reader.items.map((item) => item.value.length), [1 << 20, 1 << 20, 5]);
    },
    '400 subscriptions of one client, through the cut at 5 s': async (later) => {
      const subscriber = client(later);
      const publisher = client(later, eu);
      const prefix = freshTopic();
      const readers = await Promise.all(Array.from({ length: 400 }, (_, i) => Reader.open(subscriber, 'demo', `${prefix}-${i}`)));
      later({ close: () => readers.forEach((reader) => reader.close()) });
      await refused('CLIENT_RESOURCE_EXHAUSTED', () => Reader.open(subscriber, 'demo', `${prefix}-400`));
      const all = async (value) => {
        for (let i = 0; i < 400; i += 50) {
          await Promise.all(readers.slice(i, i + 50).map((_, k) => publish(publisher, 'demo', `${prefix}-${i + k}`, value)));
        }
      };
      await all('before');
      await until('all were cut', () => readers.every((reader) => reader.ended > 0), 15000);
      await all('after');
      await Promise.all(readers.map((reader) => reader.has(2)));
      for (const reader of readers) assert.deepEqual(reader.values(), ['before', 'after']);
    },
    'caches: created, listed, there already, deleted, not there': async (later) => {
      const { client: caches } = later(await cacheClient(credentials(eu.port)));
      const { client: others } = later(await cacheClient(credentials(us.port)));
      const name = `cache-${process.pid}`;
      assert.equal(success(await caches.createCache(name)).type, 'Success');
      assert.equal((await caches.createCache(name)).type, 'AlreadyExists');
      const listed = async (at) => (success(await at.listCaches()).getCaches()).some((cache) => cache.getName() === name);
      assert.ok(await listed(caches));
      await until('the other region lists it', () => listed(others));
      success(await others.deleteCache(name));
      await until('it is gone in the first region', async () => !await listed(caches));
      const again = await caches.deleteCache(name);
      assert.equal(again.errorCode(), 'NOT_FOUND_ERROR');
    },
    'deleting a cache ends its subscriptions in every region': async (later) => {
      const { client: caches } = later(await cacheClient(credentials(eu.port)));
      const name = `gone-${process.pid}`;
      success(await caches.createCache(name));
      const readers = await Promise.all([eu, us].map((node) => Reader.open(client(later, node), name, 't')));
      success(await caches.deleteCache(name));
      for (const reader of readers) {
        await until('it is told', () => reader.errors.length > 0);
        assert.deepEqual(reader.errors, ['NOT_FOUND_ERROR']);
      }
    },
    'a cache service of the SDK that is not ours says so': async (later) => {
      const { client: caches } = later(await cacheClient(credentials(eu.port)));
      const answer = await caches.get('demo', 'key');
      assert.equal(answer.errorCode(), 'BAD_REQUEST_ERROR'); // UNIMPLEMENTED
    },
    'publishers of other doors are heard, and hear': async (later) => {
      const topics = client(later);
      const topic = freshTopic();
      const reader = later(await Reader.open(topics, 'demo', topic));
      const url = `${eu.url}/topics/demo/${topic}`;
      const polled = fetch(`${url}?barrier=all`).then((answer) => answer.json());
      assert.equal((await fetch(url, { method: 'POST', body: 'by http' })).status, 204);
      await reader.has(1);
      assert.equal(reader.items[0].value, 'by http');
      await publish(topics, 'demo', topic, 'by the SDK');
      const texts = (await polled).items.map((element) => element.item.value.text);
      assert.ok(texts.includes('by http') || texts.includes('by the SDK'), texts);
    },
    'without keys a token client is told what is missing': async (later) => {
      const { client: auth } = later(authClient(credentials(eu.port)));
      const answer = await auth.generateDisposableToken(sdk.DisposableTokenScopes.topicPublishOnly('demo', 'x'),
        sdk.ExpiresIn.minutes(5));
      assert.equal(answer.type, 'Error');
    },
  };
}
