// SPDX-License-Identifier: Apache-2.0
//
// The page: Momento's SDK for browsers as it is, with a token for one room that the
// backend gives. Before the token expires there is a new one: subscribe with it
// first, unsubscribe the old one then, and nothing is missed in between.
import { CredentialProvider, NoopMomentoLoggerFactory, TopicClient, TopicConfigurations } from '@gomomento/sdk-web';

const CACHE = 'chat';
const AGAIN_MS = 1000;
const $ = (id) => document.getElementById(id);
const seen = new Set(); // ids of messages: two subscriptions overlap for a moment
let room;
let here; // {client, subscription, timer}: the current one

const status = (text) => { $('status').textContent = text; };

function show(who, text, id) {
  if (seen.has(id)) return;
  seen.add(id);
  const line = document.createElement('li');
  const name = document.createElement('b');
  name.textContent = who;
  line.append(name, text);
  $('log').append(line);
}

function onItem(item) {
  const { id, text } = JSON.parse(item.valueString());
  show(item.tokenId(), text, id); // the name is the token's: nobody can claim another
}

// A new token, a client with it, and its subscription in place of the current one.
async function renew() {
  const answer = await fetch('/token', { method: 'POST', body: JSON.stringify(room.who) });
  if (!answer.ok) throw new Error(await answer.text());
  const { token, seconds } = await answer.json();
  const url = room.node;
  const client = new TopicClient({
    credentialProvider: CredentialProvider.fromDisposableToken({ apiKey: token,
      endpointOverrides: { cacheEndpoint: url, controlEndpoint: url, tokenEndpoint: url } }),
    configuration: TopicConfigurations.Default.latest(new NoopMomentoLoggerFactory()),
  });
  const subscription = await client.subscribe(CACHE, room.who.room, {
    onItem,
    onDiscontinuity: () => status('some messages were missed'),
    onError: (_, failed) => { if (here?.subscription === failed) again(0); }, // it expired while we slept
  });
  if (subscription.type === 'Error') throw new Error(subscription.message());
  const before = here;
  here = { client, subscription, timer: setTimeout(() => again(0), seconds * 700) };
  if (before) {
    clearTimeout(before.timer);
    before.subscription.unsubscribe();
  }
  status(`in ${room.who.room}, by ${url}`);
}

// Renews, again and again until it works.
async function again(ms) {
  await new Promise((go) => { setTimeout(go, ms); });
  try {
    await renew();
  } catch (error) {
    status(`coming back: ${error.message}`);
    again(AGAIN_MS);
  }
}

$('say').addEventListener('submit', async (event) => {
  event.preventDefault();
  const message = JSON.stringify({ id: crypto.randomUUID(), text: $('text').value });
  $('text').value = '';
  const said = () => here.client.publish(CACHE, room.who.room, message);
  if ((await said()).type === 'Success') return;
  await renew(); // the token may have expired
  const answer = await said();
  if (answer.type === 'Error') status(`not said: ${answer.message()}`);
});

$('enter').addEventListener('submit', (event) => {
  event.preventDefault();
  room = { node: $('node').value, who: { name: $('name').value, room: $('room').value } };
  again(0);
});

for (const url of await (await fetch('/nodes')).json()) $('node').append(new Option(url, url));
