// SPDX-License-Identifier: Apache-2.0
//
// tls_program.mjs v1|v2 KEY ENDPOINT TOPIC: a program with the SDK that knows
// nothing but its key and endpoint, publishes to itself and prints what came.
// The hosts file of docs/OPERATIONS.md is played by lookup().
import dns from 'node:dns';
import { createRequire } from 'node:module';

const [kind, key, endpoint, topic] = process.argv.slice(2);
const domain = endpoint.split(':')[0];
const real = dns.promises.lookup;
dns.promises.lookup = async (name, options) => {
  if (!name.endsWith(`.${domain}`)) return real(name, options);
  const address = { address: '127.0.0.1', family: 4 };
  return options?.all ? [address] : address;
};
const realOld = dns.lookup;
dns.lookup = (name, options, callback) => {
  const done = callback ?? options;
  if (!name.endsWith(`.${domain}`)) return realOld(name, options, callback);
  return options?.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
};

const { CredentialProvider, NoopMomentoLoggerFactory, TopicClient, TopicConfigurations } =
  createRequire(`${process.env.MOMENTO_MODULES}/package.json`)('@gomomento/sdk');
const credentialProvider = kind === 'v1' ? CredentialProvider.fromString(key)
  : CredentialProvider.fromApiKeyV2({ apiKey: key, endpoint });
const client = new TopicClient({ credentialProvider,
  configuration: TopicConfigurations.Default.latest(new NoopMomentoLoggerFactory()) });
const answer = await client.subscribe('demo', topic, {
  onItem: (item) => { console.log(item.valueString()); process.exit(0); },
  onError: (error) => { console.error(error.message()); process.exit(1); },
});
if (answer.type === 'Error') {
  console.error(answer.message());
  process.exit(1);
}
const said = await client.publish('demo', topic, 'hello');
if (said.type === 'Error') {
  console.error(said.message());
  process.exit(1);
}
