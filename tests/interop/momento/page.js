// SPDX-License-Identifier: Apache-2.0
//
// In the browser: the SDK for browsers, and a reader that keeps what its callbacks
// are told, for the test to ask for.
import { AuthClient, CredentialProvider, DisposableTokenScopes, ExpiresIn, NoopMomentoLoggerFactory, TopicClient,
  TopicConfigurations } from '@gomomento/sdk-web';

const readers = [];
let client;

function provider(url, key) {
  const endpointOverrides = url && { cacheEndpoint: url, controlEndpoint: url, tokenEndpoint: url };
  return CredentialProvider.fromString({ apiKey: key, ...(url && { endpointOverrides }) });
}

window.connect = (url, key) => {
  client = new TopicClient({ credentialProvider: provider(url, key),
    configuration: TopicConfigurations.Default.latest(new NoopMomentoLoggerFactory()) });
};

// Gives the number of the reader, or the code of the error.
window.subscribe = async (cache, topic) => {
  const reader = { items: [], gaps: 0, errors: [], heartbeats: 0 };
  const answer = await client.subscribe(cache, topic, {
    onItem: (item) => reader.items.push({ seq: item.sequenceNumber(), token: item.tokenId(),
      value: typeof item.value() === 'string' ? item.value() : [...item.value()] }),
    onError: (error) => reader.errors.push(error.errorCode()),
    onHeartbeat: () => { reader.heartbeats += 1; },
    onDiscontinuity: () => { reader.gaps += 1; },
  });
  if (answer.type !== 'Subscription') return answer.errorCode();
  reader.subscription = answer;
  return readers.push(reader) - 1;
};

window.unsubscribe = (number) => readers[number].subscription.unsubscribe();

// value: a string, or an array of bytes. Gives nothing, or the code of the error.
window.publish = async (cache, topic, value) => {
  const answer = await client.publish(cache, topic, Array.isArray(value) ? Uint8Array.from(value) : value);
  return answer.type === 'Success' ? null : answer.errorCode();
};

window.told = (number) => {
  const { subscription, ...told } = readers[number];
  return told;
};

window.mint = async (url, key, cache, topic) => {
  const auth = new AuthClient({ credentialProvider: provider(url, key) });
  const answer = await auth.generateDisposableToken(DisposableTokenScopes.topicPublishSubscribe(cache, topic),
    ExpiresIn.minutes(5));
  return answer.type === 'Success' ? answer.authToken : { code: answer.errorCode() };
};

window.loaded = true;
