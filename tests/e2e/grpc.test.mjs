// SPDX-License-Identifier: Apache-2.0
//
// gRPC and gRPC-web against real nodes, frame by frame: streams and their ends,
// times, bad input, a node that goes.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sleep, startCluster, stopAll, until } from './harness.mjs';
import { PUBLISH, SUBSCRIBE, call, connect, frame, publish, publishMessage, readMessage, subscribe,
  subscribeMessage, webCall } from './momento.mjs';

let nodes;
let here; // sessions to the two nodes
let there;

before(async () => {
  nodes = await startCluster(['eu', 'us']);
  [here, there] = nodes.map((node) => connect(node.port));
});
after(async () => {
  [here, there].forEach((session) => session.destroy());
  await stopAll(nodes);
});

const begun = (sub) => until('the first message', 5000, () => sub.all.length > 0);
const has = (sub, n) => until(`${n} items`, 5000, () => sub.items.length >= n);

test('an item crosses regions, and the stream begins with a heartbeat', async () => {
  const sub = subscribe(there, 'demo', 'far');
  await begun(sub);
  assert.deepEqual(sub.all, [{ beat: true }]);
  await until('the interest crossed', 5000, async () => {
    assert.equal((await publish(here, 'demo', 'far', 'hello')).status, 0);
    return sub.items.length > 0;
  });
  assert.equal(sub.items[0].text, 'hello');
  assert.equal(sub.items[0].seq, 1);
  sub.stream.close();
  await sub.ended;
});

test('values of every kind and size arrive as they were', async () => {
  const sub = subscribe(here, 'demo', 'kinds');
  await begun(sub);
  const large = Buffer.alloc(1 << 20, 7);
  for (const value of ['text', '', Buffer.from([0, 255]), Buffer.alloc(0), large]) {
    assert.equal((await publish(here, 'demo', 'kinds', value)).status, 0);
  }
  await has(sub, 5);
  assert.deepEqual(sub.items.map((item) => item.text ?? item.binary.length), ['text', '', 2, 0, 1 << 20]);
  assert.deepEqual(sub.items.map((item) => item.seq), [1, 2, 3, 4, 5]);
  assert.ok(sub.items[4].binary.equals(large));
  const refused = await publish(here, 'demo', 'kinds', Buffer.alloc((1 << 20) + 1));
  assert.equal(refused.status, 8);
  assert.equal(refused.trailers.err, 'item_size_limit_exceeded');
  sub.stream.close();
});

test('a hundred streams on one connection, and each hears all', async () => {
  const subs = Array.from({ length: 100 }, () => subscribe(here, 'demo', 'many'));
  await Promise.all(subs.map(begun));
  for (let i = 0; i < 50; i += 1) await publish(there, 'demo', 'many', `m${i}`);
  await Promise.all(subs.map((sub) => has(sub, 50)));
  for (const sub of subs) {
    assert.deepEqual(sub.items.map((item) => item.text), Array.from({ length: 50 }, (_, i) => `m${i}`));
    sub.stream.close();
  }
});

test('a call ends at its time, never sooner', async () => {
  const start = performance.now();
  const sub = subscribe(here, 'demo', 'time', { headers: { 'grpc-timeout': '1200m' } });
  await begun(sub);
  await sub.ended;
  assert.equal(sub.status, 4);
  assert.ok(performance.now() - start >= 1200);
});

// As the SDK does it after 5 s: it has heard nothing, and comes back 0.5 s later.
for (const cutBy of ['client', 'server']) {
  test(`a subscription that the ${cutBy} cut goes on without loss`, async () => {
    const topic = `cut-${cutBy}`;
    const sub = subscribe(here, 'demo', topic, { headers: { 'grpc-timeout': cutBy === 'client' ? '1500m' : '1S' } });
    await begun(sub);
    await sleep(cutBy === 'client' ? 1400 : 1000);
    if (cutBy === 'client') sub.stream.close(8);
    await sub.ended;
    for (let i = 0; i < 5; i += 1) {
      await publish(here, 'demo', topic, `missed ${i}`);
      await sleep(100);
    }
    const again = subscribe(here, 'demo', topic);
    await begun(again);
    await publish(here, 'demo', topic, 'live');
    await has(again, 6);
    assert.deepEqual(again.items.map((item) => item.text),
      [...Array.from({ length: 5 }, (_, i) => `missed ${i}`), 'live']);
    assert.equal(again.gaps.length, 0);
    again.stream.close();
  });
}

test('the web hears the same, as text and not, and is allowed to', async () => {
  const origin = { Origin: 'http://localhost:3000' };
  const subs = [true, false].map((text) => {
    const sub = { items: [], all: [] };
    const on = (bytes) => {
      const message = readMessage(bytes);
      sub.all.push(message);
      if (message.item) sub.items.push(message.item);
    };
    return Object.assign(webCall(nodes[0].port, SUBSCRIBE, subscribeMessage('demo', 'web'),
      { text, on, headers: origin }), sub);
  });
  await Promise.all(subs.map(begun));
  const large = 'x'.repeat(1 << 20);
  for (const [i, value] of ['a', '', large].entries()) {
    const made = await webCall(nodes[0].port, PUBLISH, publishMessage('demo', 'web', value),
      { text: i !== 1, headers: origin }).ended;
    assert.equal(made.status, 0, made.trailers);
    assert.equal(made.head['access-control-allow-origin'], origin.Origin);
    assert.match(made.head['access-control-expose-headers'], /grpc-status/);
  }
  for (const sub of subs) {
    await has(sub, 3);
    assert.deepEqual(sub.items.map((item) => item.text.length), [1, 0, 1 << 20]);
    sub.request.destroy();
  }
  const preflight = await fetch(`${nodes[0].url}${SUBSCRIBE}`, { method: 'OPTIONS', headers: { ...origin,
    'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'x-grpc-web' } });
  assert.equal(preflight.status, 204);
  for (const name of ['authorization', 'agent', 'runtime-version', 'cache', 'content-type', 'x-grpc-web',
    'x-user-agent', 'grpc-timeout', 'read-concern']) {
    assert.match(preflight.headers.get('access-control-allow-headers').toLowerCase(), new RegExp(`\\b${name}\\b`));
  }
});

test('bad frames and messages end their own call and nothing else', async () => {
  const sub = subscribe(here, 'demo', 'calm');
  await begun(sub);
  const good = frame(publishMessage('demo', 'calm', 'x'));
  const cases = [
    ['no frame', Buffer.alloc(0), 3],
    ['half a head', good.subarray(0, 3), 3],
    ['a length beyond the end', good.subarray(0, good.length - 1), 3],
    ['a length of 4 GiB', Buffer.from([0, 255, 255, 255, 255]), 3],
    ['two messages', Buffer.concat([good, good]), 3],
    ['unknown flags', Buffer.concat([Buffer.from([2]), good.subarray(1)]), 3],
    ['compressed', Buffer.concat([Buffer.from([1]), good.subarray(1)]), 12],
    ['a truncated message', frame(publishMessage('demo', 'calm', 'x').subarray(0, 12)), 3],
    ['a length of a field beyond the end', frame(Buffer.from([10, 100, 65])), 3],
    ['no value', frame(subscribeMessage('demo', 'calm')), 3],
    ['a name that is none', frame(publishMessage('de mo', 'calm', 'x')), 3],
    ['text that is not UTF-8', frame(Buffer.concat([publishMessage('demo', 'calm', 'x').subarray(0, 12),
      Buffer.from([26, 3, 10, 1, 255])])), 3],
  ];
  for (const [what, body, status] of cases) {
    const made = await call(here, PUBLISH, body).ended;
    assert.equal(made.status, status, what);
    assert.equal(made.http, 200, what);
  }
  assert.equal((await call(here, '/cache_client.pubsub.Pubsub/Other', good).ended).status, 12);
  const other = { headers: { 'content-type': 'application/json' } };
  assert.equal((await call(here, PUBLISH, good, other).ended).http, 415);
  assert.equal((await publish(here, 'demo', 'calm', 'still here')).status, 0);
  await has(sub, 1);
  assert.equal(sub.items[0].text, 'still here');
  assert.equal(sub.status, undefined);
  sub.stream.close();
});

test('a call that never ends its side ends nobody else', async () => {
  const open = call(here, PUBLISH, null);
  open.stream.write(frame(publishMessage('demo', 'open', 'x')));
  assert.equal((await publish(here, 'demo', 'open', 'x')).status, 0);
  open.stream.close();
});

// The last test: its node goes.
test('a node that drains ends its streams so that they come back elsewhere', async () => {
  const sub = subscribe(there, 'demo', 'drain');
  const web = { items: [], all: [] };
  Object.assign(web, webCall(nodes[1].port, SUBSCRIBE, subscribeMessage('demo', 'drain'),
    { on: (bytes) => web.all.push(readMessage(bytes)) }));
  await begun(sub);
  await until('the first message', 5000, () => web.all.length > 0);
  await until('the interest crossed', 5000, async () => {
    await publish(here, 'demo', 'drain', 'before');
    return sub.items.length > 0;
  });
  const gone = nodes[1].kill('SIGTERM');
  assert.equal((await sub.ended).status, 14);
  assert.equal((await web.ended).status, 0);
  await publish(here, 'demo', 'drain', 'meanwhile');
  const { seq, page } = sub.items.at(-1);
  const again = subscribe(here, 'demo', 'drain', { position: { seq: seq + 1, page } });
  await has(again, 1);
  assert.equal(again.items[0].text, 'meanwhile');
  assert.equal(again.gaps.length, 0);
  assert.equal(await gone, 0);
  again.stream.close();
});
