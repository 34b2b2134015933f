// SPDX-License-Identifier: Apache-2.0
//
// A node ends under a subscription of the SDK, which comes back through the same
// address to another one.
import assert from 'node:assert/strict';
import { freshTopic, pause, until } from './cases.mjs';
import { Proxy, drained, killed, pairOfOneRegion } from './nodes.mjs';
import { Reader, credentials, publish, topicClient } from './sdk.mjs';
import { keeps, numbers } from './steady.mjs';

// Reads through a proxy to the first node while the second is published to; after
// `ms` the first one ends by `end`, and the proxy leads to the second.
async function ended(later, ms, end) {
  const nodes = await pairOfOneRegion();
  const [first, second] = nodes;
  const proxy = later(await Proxy.to(first.port));
  const publisher = later(topicClient(credentials(second.port))).client;
  const subscriber = later(topicClient(credentials(proxy.port))).client;
  const topic = freshTopic();
  const reader = later(await Reader.open(subscriber, 'demo', topic));
  const sending = keeps((value) => publish(publisher, 'demo', topic, value), ms / 1000 + 5);
  await pause(ms);
  proxy.target = second.port;
  await end(first);
  const sent = await sending;
  await until('it goes on', () => reader.values().includes(`${sent}`), 15000);
  assert.deepEqual(reader.errors, []);
  const values = reader.values().map(Number);
  values.slice(1).forEach((value, i) => assert.ok(value > values[i], `${value} after ${values[i]}`));
  return { reader, sent };
}

const losses = (reader, sent) => sent - reader.items.length;

export const faultCases = {
  'node killed under a subscription: resumed on another, with a discontinuity': async (later) => {
    const { reader, sent } = await ended(later, 7000, killed);
    assert.ok(reader.gaps.length > 0, 'a discontinuity is told');
    assert.ok(losses(reader, sent) < 80, `${losses(reader, sent)} lost`);
  },
  'node killed before the first cut: resumed on another, with a discontinuity': async (later) => {
    const { reader } = await ended(later, 2000, killed);
    assert.ok(reader.gaps.length > 0, 'a discontinuity is told');
  },
  'node drained under a subscription: resumed on another, nothing lost': async (later) => {
    const { reader, sent } = await ended(later, 7000, drained);
    assert.deepEqual(reader.values(), numbers(sent));
    assert.deepEqual(reader.gaps, []);
  },
  'node drained before the first cut: resumed on another, nothing lost': async (later) => {
    const { reader, sent } = await ended(later, 2000, drained);
    assert.deepEqual(reader.values(), numbers(sent));
    assert.deepEqual(reader.gaps, []);
  },
  'connection cut under a subscription: resumed on the same node, nothing lost': async (later) => {
    const [node] = await pairOfOneRegion();
    const proxy = later(await Proxy.to(node.port));
    const publisher = later(topicClient(credentials(node.port))).client;
    const topic = freshTopic();
    const reader = later(await Reader.open(later(topicClient(credentials(proxy.port))).client, 'demo', topic));
    const sending = keeps((value) => publish(publisher, 'demo', topic, value), 12);
    await pause(8000);
    for (const socket of proxy.sockets) socket.destroy();
    const sent = await sending;
    await until('all came', () => reader.items.length >= sent, 10000).catch(() => {});
    assert.deepEqual(reader.values(), numbers(sent));
    assert.deepEqual([reader.gaps, reader.errors], [[], []]);
  },
};
