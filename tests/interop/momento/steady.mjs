// SPDX-License-Identifier: Apache-2.0
//
// Nothing lost, nothing doubled, through the cut that the Node SDK gives each new
// subscription after 5 s. It comes back half a second later: with its position if
// an item had come, else as if it were new.
import assert from 'node:assert/strict';
import { freshTopic, pause, until, warm } from './cases.mjs';
import { Reader, credentials, publish, topicClient } from './sdk.mjs';

export const RATE = 20;
export const SECONDS = 15;

// Publishes 1, 2, 3 ... RATE times a second for `seconds`.
export async function steadily(send, seconds = SECONDS) {
  const start = Date.now();
  const total = RATE * seconds;
  for (let i = 1; i <= total; i += 1) {
    await pause(start + (i - 1) * (1000 / RATE) - Date.now());
    await send(`${i}`);
  }
  return total;
}

// The same beside something else, which may fail first.
export function keeps(send, seconds) {
  const sending = steadily(send, seconds);
  sending.catch(() => {});
  return sending;
}

export const numbers = (count, from = 1) => Array.from({ length: count }, (_, i) => `${i + from}`);

// All of them, in order, once, and without a word of loss.
async function whole(reader, count) {
  const counted = () => reader.values().filter((value) => value !== 'warm');
  await until(`${count} items`, () => counted().length >= count, 10000).catch(() => {});
  await pause(300);
  assert.deepEqual(counted(), numbers(count));
  assert.deepEqual([reader.gaps, reader.errors], [[], []]);
  assert.ok(reader.ended > 0, 'it was cut');
}

// Nothing is said until `ms` after the subscribe, then 1, 2, 3.
async function quietFor(later, ms, from, to) {
  const publisher = later(topicClient(from)).client;
  const subscriber = later(topicClient(to)).client;
  const topic = freshTopic();
  const reader = later(await Reader.open(subscriber, 'demo', topic));
  await pause(ms);
  for (const value of numbers(3)) await publish(publisher, 'demo', topic, value);
  await whole(reader, 3);
}

export function steadyCases(name, [near, far], key = () => undefined) {
  const at = (node) => credentials(node.port, key('demo'));
  return {
    [`${name}: ${RATE} a second for ${SECONDS} s from the first subscribe on, one node`]: async (later) => {
      const publisher = later(topicClient(at(near))).client;
      const topic = freshTopic();
      const reader = later(await Reader.open(later(topicClient(at(near))).client, 'demo', topic));
      await whole(reader, await steadily((value) => publish(publisher, 'demo', topic, value)));
    },
    [`${name}: ${RATE} a second for ${SECONDS} s, from another region`]: async (later) => {
      const publisher = later(topicClient(at(far))).client;
      const topic = freshTopic();
      const reader = later(await Reader.open(later(topicClient(at(near))).client, 'demo', topic));
      await warm('the first item', () => publish(publisher, 'demo', topic, 'warm'), () => reader.items.length > 0);
      await whole(reader, await steadily((value) => publish(publisher, 'demo', topic, value)));
    },
    [`${name}: a first message 5.2 s after a quiet subscribe, one node`]: (later) => quietFor(later, 5200, at(near), at(near)),
    [`${name}: a first message 5.2 s after a quiet subscribe, another region`]: (later) => quietFor(later, 5200, at(far), at(near)),
    [`${name}: a first message 4.9 s after a quiet subscribe`]: (later) => quietFor(later, 4900, at(near), at(near)),
    [`${name}: a first message 5.5 s after a quiet subscribe`]: (later) => quietFor(later, 5500, at(near), at(near)),
    [`${name}: two quiet subscriptions of one topic at once`]: async (later) => {
      const publisher = later(topicClient(at(near))).client;
      const subscriber = later(topicClient(at(near))).client;
      const topic = freshTopic();
      const readers = await Promise.all([1, 2].map(() => Reader.open(subscriber, 'demo', topic)));
      for (const reader of readers) later(reader);
      await pause(5200);
      for (const value of numbers(3)) await publish(publisher, 'demo', topic, value);
      await Promise.all(readers.map((reader) => whole(reader, 3)));
    },
    [`${name}: who subscribes fresh gets nothing older`]: async (later) => {
      const topics = later(topicClient(at(near))).client;
      const topic = freshTopic();
      const first = later(await Reader.open(topics, 'demo', topic));
      await publish(topics, 'demo', topic, '1');
      await first.has(1);
      const second = later(await Reader.open(later(topicClient(at(near))).client, 'demo', topic));
      await publish(topics, 'demo', topic, '2');
      assert.deepEqual(await second.has(1), ['2']);
      assert.deepEqual(await first.has(2), ['1', '2']);
    },
  };
}
