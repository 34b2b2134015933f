// SPDX-License-Identifier: Apache-2.0
//
// Each Redis library behind the same few verbs, as its users write it:
//   open({port, user, password}) -> {     ports: a list, only with `moves`
//     subscribe(channel, (channel, value: Buffer) => ...), psubscribe, ssubscribe,
//     unsubscribe(channel), publish(channel, value) -> count, send(...words),
//     close() }
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.INTEROP_MODULES}/`);
const host = '127.0.0.1';

function ioredis(name, inCluster) {
  const make = ({ port, ports = [port], user, password }) => {
    const Redis = require(name);
    const login = { username: user, password };
    return inCluster
      ? new Redis.Cluster(ports.map((each) => ({ host, port: each })), {
        redisOptions: login, lazyConnect: true, shardedSubscribers: true,
        ...(ports.length === 1 && { clusterRetryStrategy: null }),
      })
      : new Redis({
        host, port, ...login, lazyConnect: true, retryStrategy: null, maxRetriesPerRequest: 1,
      });
  };
  return async (to) => {
    const redis = make(to);
    const handlers = new Map();
    const on = (kind) => (key, channel, value) =>
      handlers.get(kind + key)?.(String(channel), value);
    redis.on('error', () => {});
    redis.on('messageBuffer', (c, v) => on('s')(String(c), c, v));
    redis.on('smessageBuffer', (c, v) => on('d')(String(c), c, v));
    redis.on('pmessageBuffer', (p, c, v) => on('p')(String(p), c, v));
    await redis.connect();
    const add = (kind, verb) => (key, f) => {
      handlers.set(kind + key, f);
      return redis[verb](key);
    };
    return {
      subscribe: add('s', 'subscribe'),
      psubscribe: add('p', 'psubscribe'),
      ssubscribe: add('d', 'ssubscribe'),
      unsubscribe: (channel) => redis.unsubscribe(channel),
      publish: (channel, value) => redis.publish(channel, value),
      send: (...words) => redis.call(...words),
      close: () => redis.quit(),
    };
  };
}

function nodeRedis(name, { inCluster, ...extra } = {}) {
  const make = ({ port, user, password }) => {
    const { createClient, createCluster } = require(name);
    const login = { username: user, password, ...extra };
    return inCluster
      ? createCluster({
        rootNodes: [{ socket: { host, port } }],
        defaults: { ...login, socket: { reconnectStrategy: false } },
      })
      : createClient({ socket: { host, port, reconnectStrategy: false }, ...login });
  };
  return async (to) => {
    const client = make(to);
    client.on('error', () => {});
    await client.connect();
    const add = (verb) => (key, f) =>
      client[verb](key, (value, channel) => f(String(channel), value), true);
    return {
      subscribe: add('subscribe'),
      psubscribe: add('pSubscribe'),
      ssubscribe: add('sSubscribe'),
      unsubscribe: (channel) => client.unsubscribe(channel),
      publish: (channel, value) => client.publish(channel, value),
      send: (...words) => (inCluster
        ? client.sendCommand(undefined, true, words) : client.sendCommand(words)),
      close: () => client.close(),
    };
  };
}

// least: the oldest Node that the library says it runs on. moves: it goes to
// another node of its list, subscriptions and all, when its own is gone.
export const libraries = {
  'ioredis 6': { least: 20, open: ioredis('ioredis') },
  'ioredis 5': { least: 18, open: ioredis('ioredis5') },
  'node-redis 6': { least: 20, open: nodeRedis('redis') },
  'node-redis 5': { least: 18, open: nodeRedis('redis5') },
  'node-redis 5, RESP3': { least: 18, open: nodeRedis('redis5', { RESP: 3 }) },
  'ioredis 6, cluster': { least: 20, open: ioredis('ioredis', true), moves: true },
  'ioredis 5, cluster': { least: 18, open: ioredis('ioredis5', true), moves: true },
  'node-redis 6, cluster': { least: 20, open: nodeRedis('redis', { inCluster: true }) },
  'node-redis 5, cluster': { least: 18, open: nodeRedis('redis5', { inCluster: true }) },
};
