// SPDX-License-Identifier: Apache-2.0
//
// The SDK for browsers in a browser: gRPC-web over HTTP/1.1, across regions, with
// tokens, and when nodes end.
import assert from 'node:assert/strict';
import { WebClient, items, same } from './browser.mjs';
import { freshTopic, pause, until } from './cases.mjs';
import { Proxy, drained, killed, pairOfOneRegion } from './nodes.mjs';
import { Reader, credentials, publish, refused, topicClient } from './sdk.mjs';
import { RATE, SECONDS, keeps, numbers, steadily } from './steady.mjs';

const anyKey = Buffer.from(JSON.stringify({ endpoint: 'x', api_key: 'x' })).toString('base64');

async function warmed(client, reader, topic) {
  await until('the first item crosses', async () => {
    await client.publish('demo', topic, 'warm');
    return (await reader.told()).items.length > 0;
  });
}

const withoutWarm = (told) => ({ ...told, items: told.items.filter((item) => item.value !== 'warm') });

async function ended(later, browser, end) {
  const nodes = await pairOfOneRegion();
  const [first, second] = nodes;
  const proxy = later(await Proxy.to(first.port));
  const client = later(await WebClient.open(await browser(), `http://127.0.0.1:${proxy.port}`, anyKey));
  const publisher = later(topicClient(credentials(second.port))).client;
  const topic = freshTopic();
  const reader = await client.subscribe('demo', topic);
  const sending = keeps((value) => publish(publisher, 'demo', topic, value), 8);
  await pause(3000);
  proxy.target = second.port;
  await end(first);
  const sent = await sending;
  await until('it goes on', async () => (await reader.told()).items.some((item) => item.value === `${sent}`), 15000);
  return { told: await reader.told(), sent };
}

// browser() and keyed() begin what they give.
export function webCases(browser, [near, far], keyed) {
  const open = async (later, node, key = anyKey) => later(await WebClient.open(await browser(), node.url, key));
  return {
    'browser: text, binary and a heartbeat on one node': async (later) => {
      const client = await open(later, near);
      const topic = freshTopic();
      const reader = await client.subscribe('demo', topic);
      assert.ok((await reader.told()).heartbeats >= 1);
      await client.publish('demo', topic, 'grüße \u{1F426}');
      await client.publish('demo', topic, [0, 1, 254, 255]);
      const told = await items(reader, 2);
      same(told, ['grüße \u{1F426}', [0, 1, 254, 255]]);
      assert.deepEqual(told.items.map((item) => item.seq), [1, 2]);
    },
    'browser: an empty text is told as the SDK does': async (later) => {
      const client = await open(later, near);
      const topic = freshTopic();
      const reader = await client.subscribe('demo', topic);
      await client.publish('demo', topic, '');
      await client.publish('demo', topic, 'after');
      const told = await items(reader, 1);
      assert.deepEqual(told.items.map((item) => item.value), ['after']);
      assert.deepEqual(told.errors, ['UNKNOWN_ERROR']); // "Unknown item value type"
    },
    'browser: a large text': async (later) => {
      const client = await open(later, near);
      const topic = freshTopic();
      const reader = await client.subscribe('demo', topic);
      const text = 'x'.repeat(500000);
      await client.publish('demo', topic, text);
      same(await items(reader, 1), [text]);
    },
    'browser: pages of two regions, and the Node SDK beside them': async (later) => {
      const [here, there] = [await open(later, near), await open(later, far)];
      const topic = freshTopic();
      const reader = await here.subscribe('demo', topic);
      const node = later(await Reader.open(later(topicClient(credentials(near.port))).client, 'demo', topic));
      await warmed(there, reader, topic);
      await there.publish('demo', topic, 'from there');
      await until('it came', async () => (await reader.told()).items.some((item) => item.value === 'from there'));
      await until('there too', () => node.values().includes('from there'));
    },
    'browser: nothing comes after unsubscribe': async (later) => {
      const client = await open(later, near);
      const topic = freshTopic();
      const [gone, stays] = [await client.subscribe('demo', topic), await client.subscribe('demo', topic)];
      await gone.close();
      await client.publish('demo', topic, 'x');
      await items(stays, 1);
      same(await gone.told(), []);
    },
    [`browser: ${RATE} a second for ${SECONDS} s from the first subscribe on, one node`]: async (later) => {
      const client = await open(later, near);
      const publisher = later(topicClient(credentials(near.port))).client;
      const topic = freshTopic();
      const reader = await client.subscribe('demo', topic);
      const sent = await steadily((value) => publish(publisher, 'demo', topic, value));
      same(await items(reader, sent, 5000), numbers(sent));
    },
    [`browser: ${RATE} a second for ${SECONDS} s, from a page of another region`]: async (later) => {
      const [here, there] = [await open(later, near), await open(later, far)];
      const topic = freshTopic();
      const reader = await here.subscribe('demo', topic);
      await warmed(there, reader, topic);
      const sent = await steadily((value) => there.publish('demo', topic, value));
      await until('the last came', async () => (await reader.told()).items.some((item) => item.value === `${sent}`), 10000);
      same(withoutWarm(await reader.told()), numbers(sent));
    },
    'browser: a first message 5.2 s after a quiet subscribe': async (later) => {
      const client = await open(later, near);
      const topic = freshTopic();
      const reader = await client.subscribe('demo', topic);
      await pause(5200);
      await client.publish('demo', topic, 'first');
      same(await items(reader, 1), ['first']);
    },
    'browser: node killed under a subscription: resumed on another, with a discontinuity': async (later) => {
      const { told } = await ended(later, browser, killed);
      assert.ok(told.gaps > 0, 'a discontinuity is told');
      assert.deepEqual(told.errors, []);
    },
    'browser: node drained under a subscription: resumed on another, nothing lost': async (later) => {
      const { told, sent } = await ended(later, browser, drained);
      same(told, numbers(sent));
    },
    'browser: tokens: denied, unauthenticated, unknown cache': async (later) => {
      const { nodes: [node], keys } = await keyed();
      const demo = await open(later, node, keys.demo);
      const reader = await open(later, node, keys.reader);
      await refused('PERMISSION_ERROR', () => reader.publish('demo', 'x', 'x'));
      await reader.subscribe('demo', freshTopic());
      await refused('AUTHENTICATION_ERROR', async () => (await open(later, node)).publish('demo', 'x', 'x'));
      await refused('AUTHENTICATION_ERROR', async () => (await open(later, node)).subscribe('demo', 'x'));
      const all = await open(later, node, keys.all);
      await refused('NOT_FOUND_ERROR', () => all.subscribe('nowhere', 'x'));
      await demo.publish('demo', freshTopic(), 'x');
    },
    'browser: a token minted in a browser by a key that may': async (later) => {
      const { nodes: [node], keys } = await keyed();
      const client = await open(later, node, keys.admin);
      const topic = freshTopic();
      const token = await client.page.evaluate(([u, k, t]) => window.mint(u, k, 'demo', t), [node.url, keys.admin, topic]);
      assert.equal(typeof token, 'string', JSON.stringify(token));
      const holder = await open(later, node, token);
      const reader = await holder.subscribe('demo', topic);
      await holder.publish('demo', topic, 'x');
      same(await items(reader, 1), ['x']);
      await refused('PERMISSION_ERROR', () => holder.publish('demo', `${topic}-else`, 'x'));
    },
  };
}
