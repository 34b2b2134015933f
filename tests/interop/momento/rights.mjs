// SPDX-License-Identifier: Apache-2.0
//
// Keys and tokens: every role, minted by the SDK and by the command, expired and
// revoked ones, and caches that are not there.
import assert from 'node:assert/strict';
import { run } from '../../e2e/harness.mjs';
import { freshTopic, until } from './cases.mjs';
import { Reader, authClient, cacheClient, credentials, publish, refused, sdk, success, topicClient } from './sdk.mjs';

const { AllCaches, AllTopics, CredentialProvider, ExpiresIn, TokenScopes, DisposableTokenScopes, TopicRole } = sdk;

// What a scope may do on demo/TOPIC and elsewhere: [publish, subscribe].
const roles = (topic) => [
  ['publish only', DisposableTokenScopes.topicPublishOnly('demo', topic), [true, false], [false, false]],
  ['subscribe only', DisposableTokenScopes.topicSubscribeOnly('demo', topic), [false, true], [false, false]],
  ['publish and subscribe', DisposableTokenScopes.topicPublishSubscribe('demo', topic), [true, true], [false, false]],
  ['all topics of a cache', DisposableTokenScopes.topicPublishSubscribe('demo', AllTopics), [true, true], [true, true]],
  ['all caches', DisposableTokenScopes.topicSubscribeOnly(AllCaches, AllTopics), [false, true], [false, true]],
  ['two rules together', { permissions: [
    { role: TopicRole.PublishOnly, cache: 'demo', topic: AllTopics },
    { role: TopicRole.SubscribeOnly, cache: 'demo', topic },
  ] }, [true, true], [true, false]],
];

const may = async (allowed, doing) => {
  if (!allowed) return refused('PERMISSION_ERROR', doing);
  const done = await doing();
  if (done) done.close();
};

export function rightsCases({ nodes: [near, far], keys, mint }) {
  const topics = (later, key, node = near) => later(topicClient(credentials(node.port, key))).client;
  const auth = (later, key, node = near) => later(authClient(credentials(node.port, key))).client;
  const disposable = async (later, scope, seconds = 300, tokenId = undefined, key = keys.admin) =>
    success(await auth(later, key).generateDisposableToken(scope, ExpiresIn.seconds(seconds), { tokenId })).authToken;

  return {
    'every role of a disposable token': async (later) => {
      const topic = freshTopic();
      for (const [name, scope, [publishes, subscribes], [publishesElse, subscribesElse]] of roles(topic)) {
        const token = await disposable(later, scope);
        const client = topics(later, token, far);
        try {
          await may(publishes, () => publish(client, 'demo', topic, 'x'));
          await may(subscribes, () => Reader.open(client, 'demo', topic));
          await may(publishesElse, () => publish(client, 'demo', `${topic}-else`, 'x'));
          await may(subscribesElse, () => Reader.open(client, 'demo', `${topic}-else`));
        } catch (error) {
          throw new Error(`${name}: ${error.message}`);
        }
      }
    },
    'a prefix is not a name': async (later) => {
      const token = await mint('--sub', 'p', '--cache', 'demo', '--prefix', 'room-', '--role', 'both', '--format', 'v1',
        '--endpoint', `127.0.0.1:${near.port}`);
      const client = topics(later, token);
      await publish(client, 'demo', 'room-1', 'x');
      await refused('PERMISSION_ERROR', () => publish(client, 'demo', 'room', 'x'));
    },
    'the token id comes with each item': async (later) => {
      const topic = freshTopic();
      const token = await disposable(later, DisposableTokenScopes.topicPublishSubscribe('demo', topic), 300, 'alice');
      const client = topics(later, token);
      const reader = later(await Reader.open(client, 'demo', topic));
      await publish(client, 'demo', topic, 'x');
      await reader.has(1);
      assert.equal(reader.items[0].token, 'alice');
    },
    'a refusal names the grant that is missing': async (later) => {
      const client = topics(later, keys.reader);
      const answer = await client.publish('demo', 'some-topic', 'x');
      assert.equal(answer.errorCode(), 'PERMISSION_ERROR');
      assert.match(answer.message(), /publish.*demo.*some-topic/);
    },
    'no key, and one that is none': async (later) => {
      const broken = Buffer.from(JSON.stringify({ endpoint: 'x', api_key: 'nonsense' })).toString('base64');
      for (const client of [topics(later), topics(later, broken)]) {
        await refused('AUTHENTICATION_ERROR', () => publish(client, 'demo', 'x', 'x'));
        await refused('AUTHENTICATION_ERROR', () => Reader.open(client, 'demo', 'x'));
      }
    },
    'an expired token ends its subscription and opens nothing': async (later) => {
      const topic = freshTopic();
      const token = await disposable(later, DisposableTokenScopes.topicPublishSubscribe('demo', topic), 2);
      const client = topics(later, token);
      const reader = later(await Reader.open(client, 'demo', topic));
      await until('it is told', () => reader.errors.length > 0, 5000);
      assert.deepEqual(reader.errors, ['AUTHENTICATION_ERROR']);
      await refused('AUTHENTICATION_ERROR', () => publish(client, 'demo', topic, 'x'));
      await refused('AUTHENTICATION_ERROR', () => Reader.open(client, 'demo', topic));
    },
    'a revoked key ends its subscriptions within a second, in both regions': async (later) => {
      const topic = freshTopic();
      const token = await mint('--sub', 'r', '--cache', 'demo', '--role', 'both', '--format', 'v1',
        '--endpoint', `127.0.0.1:${near.port}`);
      const readers = [];
      for (const node of [near, far]) readers.push(later(await Reader.open(topics(later, token, node), 'demo', topic)));
      const { code, stderr } = await run(['token', 'revoke', '-'],
        { url: near.url, input: token, env: { STARLING_TOKEN: keys.admin } });
      assert.equal(code, 0, stderr);
      const start = Date.now();
      await until('both are told', () => readers.every((reader) => reader.errors.length > 0), 5000);
      assert.ok(Date.now() - start < 2500);
      for (const reader of readers) assert.deepEqual(reader.errors, ['AUTHENTICATION_ERROR']);
      await refused('AUTHENTICATION_ERROR', () => publish(topics(later, token, far), 'demo', topic, 'x'));
    },
    'a cache that is not there': async (later) => {
      const client = topics(later, keys.all);
      await refused('NOT_FOUND_ERROR', () => publish(client, 'nowhere', 'x', 'x'));
      await refused('NOT_FOUND_ERROR', () => Reader.open(client, 'nowhere', 'x'));
    },
    'a deleted cache: its subscriptions end, and it is not there': async (later) => {
      const name = `deleted-${process.pid}`;
      const { client: caches } = later(await cacheClient(credentials(near.port, keys.admin)));
      success(await caches.createCache(name));
      const client = topics(later, keys.all, far);
      await until('the other region knows it', async () => (await client.publish(name, 't', 'x')).type === 'Success', 10000);
      const reader = later(await Reader.open(client, name, 't'));
      success(await caches.deleteCache(name));
      await until('it is told', () => reader.errors.length > 0, 5000);
      assert.deepEqual(reader.errors, ['NOT_FOUND_ERROR']);
      await refused('NOT_FOUND_ERROR', () => publish(client, name, 't', 'x'));
    },
    'quotas: each has the SDK\'s own words, and HTTP 429': async (later) => {
      const name = `small-${process.pid}`;
      const create = await run(['cache', 'create', name, 'publish_rate=2', 'item_len=10', 'subs=1'],
        { url: near.url, env: { STARLING_TOKEN: keys.admin } });
      assert.equal(create.code, 0, create.stderr);
      const client = topics(later, keys.all);
      await refused('LIMIT_EXCEEDED_ERROR', () => publish(client, name, 't', 'x'.repeat(11)), /Item size/);
      later(await Reader.open(client, name, 't'));
      await refused('LIMIT_EXCEEDED_ERROR', () => Reader.open(client, name, 't2'), /Topic subscriptions/);
      const burst = await Promise.allSettled(Array.from({ length: 10 }, () => publish(client, name, 't', 'x')));
      const late = burst.filter((one) => one.status === 'rejected');
      assert.ok(late.length > 0 && late.length < 10, `${late.length} refused`);
      for (const { reason } of late) await refused('LIMIT_EXCEEDED_ERROR', () => Promise.reject(reason), /Request rate/);
      const answer = await fetch(`${near.url}/topics/${name}/t`, { method: 'POST', body: 'x'.repeat(11), headers: { Authorization: keys.all } });
      assert.equal(answer.status, 429);
      assert.match((await answer.json()).message, /\w/);
    },
    'a data token neither creates nor deletes caches': async (later) => {
      const { client: caches } = later(await cacheClient(credentials(near.port, keys.demo)));
      assert.equal((await caches.createCache('mine')).errorCode(), 'PERMISSION_ERROR');
      assert.equal((await caches.deleteCache('demo')).errorCode(), 'PERMISSION_ERROR');
    },
    'API keys by the SDK: with and without an end, refreshed, never more than the holder': async (later) => {
      const holder = auth(later, keys.admin);
      const key = success(await holder.generateApiKey(sdk.AllDataReadWrite, ExpiresIn.minutes(10)));
      const never = success(await holder.generateApiKey(TokenScopes.topicSubscribeOnly('demo', AllTopics), ExpiresIn.never()));
      assert.equal(never.expiresAt.doesExpire(), false);
      const topic = freshTopic();
      await publish(topics(later, key.apiKey), 'demo', topic, 'x');
      later(await Reader.open(topics(later, never.apiKey), 'demo', topic));
      await refused('PERMISSION_ERROR', () => publish(topics(later, never.apiKey), 'demo', topic, 'x'));

      const refreshed = success(await auth(later, key.apiKey).refreshApiKey(key.refreshToken));
      assert.ok(refreshed.expiresAt.epoch() >= key.expiresAt.epoch());
      await publish(topics(later, refreshed.apiKey), 'demo', topic, 'x');

      const more = await auth(later, never.apiKey).generateApiKey(sdk.AllDataReadWrite, ExpiresIn.minutes(1));
      assert.equal(more.errorCode(), 'PERMISSION_ERROR');
      const wider = await auth(later, never.apiKey).generateDisposableToken(
        DisposableTokenScopes.topicPublishOnly('demo', topic), ExpiresIn.minutes(1));
      assert.equal(wider.errorCode(), 'PERMISSION_ERROR');
    },
    'wishes that make no sense are invalid arguments': async (later) => {
      const holder = auth(later, keys.admin);
      const twice = { role: TopicRole.PublishOnly, cache: 'demo', topic: 'x' };
      for (const permissions of [[], [twice, twice], [twice, { ...twice, role: TopicRole.SubscribeOnly }]]) {
        const answer = await holder.generateApiKey({ permissions }, ExpiresIn.minutes(1));
        assert.equal(answer.errorCode?.(), 'INVALID_ARGUMENT_ERROR', JSON.stringify(permissions));
      }
    },
    'what the command minted as v1 is what the SDK takes': async (later) => {
      const token = await mint('--sub', 'v1', '--cache', 'demo', '--role', 'both', '--format', 'v1', '--endpoint', 'cell.example');
      const provider = CredentialProvider.fromString(token);
      assert.equal(provider.getCacheEndpoint(), 'cache.cell.example');
      await publish(topics(later, token), 'demo', freshTopic(), 'x');
    },
  };
}
