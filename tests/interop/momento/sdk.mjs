// SPDX-License-Identifier: Apache-2.0
//
// The Node SDK as its users have it, and a reader that keeps what its callbacks
// are told.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { until } from './cases.mjs';

export const modules = process.env.MOMENTO_MODULES;
export const sdk = createRequire(`${modules}/package.json`)('@gomomento/sdk');
const { CredentialProvider, TopicClient, CacheClient, AuthClient } = sdk;
const quiet = new sdk.NoopMomentoLoggerFactory();

// host:port of cleartext HTTP/2 for all services.
const overrides = (address) => ({ cacheEndpoint: address, controlEndpoint: address, tokenEndpoint: address,
  secureConnection: false });

// Without a key as for the vendor's local server; with a v1 key at an address of ours.
export function credentials(port, key) {
  return key === undefined
    ? CredentialProvider.forMomentoLocal({ hostname: '127.0.0.1', port })
    : CredentialProvider.fromString({ apiKey: key, endpointOverrides: overrides(`127.0.0.1:${port}`) });
}

// The topic client has no end of its own.
const closing = (client) => ({ client, close: () => client.close?.() });

export function topicClient(credentialProvider) {
  return closing(new TopicClient({ credentialProvider, configuration: sdk.TopicConfigurations.Default.latest(quiet) }));
}

export async function cacheClient(credentialProvider) {
  return closing(await CacheClient.create({ credentialProvider, defaultTtlSeconds: 60,
    configuration: sdk.Configurations.Laptop.latest(quiet) }));
}

export function authClient(credentialProvider) {
  const client = new AuthClient({ credentialProvider,
    configuration: sdk.AuthClientConfigurations.Default.latest(quiet) });
  return { client, close: () => {} };
}

// What a subscription was told, in order.
export class Reader {
  constructor() {
    this.items = [];
    this.gaps = [];
    this.errors = [];
    this.heartbeats = 0;
    this.lost = 0;
    this.ended = 0;
  }

  // Resolves when subscribed; throws the SDK's error with its code.
  static async open(client, cache, topic) {
    const reader = new Reader();
    const answer = await client.subscribe(cache, topic, {
      onItem: (item) => reader.items.push({ seq: item.sequenceNumber(), value: item.value(), token: item.tokenId() }),
      onError: (error) => reader.errors.push(error.errorCode()),
      onHeartbeat: () => { reader.heartbeats += 1; },
      onDiscontinuity: (gap) => reader.gaps.push({ last: gap.lastSequenceNumber(), next: gap.newSequenceNumber() }),
      onConnectionLost: () => { reader.lost += 1; },
      onSubscriptionEnd: () => { reader.ended += 1; },
    });
    if (answer.type !== 'Subscription') throw failure('subscribe', answer);
    reader.subscription = answer;
    return reader;
  }

  values() { return this.items.map((item) => item.value); }

  async has(count) {
    await until(`${count} items`, () => this.items.length >= count);
    return this.values();
  }

  close() { this.subscription.unsubscribe(); }
}

function failure(what, answer) {
  const error = new Error(`${what}: ${answer.errorCode()}: ${answer.message()}`);
  error.code = answer.errorCode();
  error.text = answer.message();
  return error;
}

// Publishes, or throws the SDK's error with its code.
export async function publish(client, cache, topic, value) {
  const answer = await client.publish(cache, topic, value);
  if (answer.type !== 'Success') throw failure('publish', answer);
}

// Any answer of the SDK that should be a success.
export function success(answer) {
  if (typeof answer.errorCode === 'function') throw failure(answer.constructor.name, answer);
  return answer;
}

// That the SDK says no, by its own code and in words like these.
export async function refused(code, doing, words = /./) {
  await assert.rejects(doing, (error) => {
    assert.equal(error.code, code, error.message);
    assert.match(error.message, words);
    return true;
  });
}
