// SPDX-License-Identifier: Apache-2.0
//
// PUBSUB answers for the whole cluster, in order with everything else that is
// asked on the connection, and without a node that does not answer.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { get, startCluster, stopAll, until } from './harness.mjs';

const DEADLINE_MS = 10000;
let nodes = [];
const open = [];
before(async () => { nodes = await startCluster(['eu', 'eu', 'us']); });
after(() => { for (const socket of open) socket.destroy(); return stopAll(nodes); });

// Sends lines; resolves with the text as soon as `enough` of it is there.
function ask(node, lines, enough, end = false) {
  const socket = net.connect(node.port, '127.0.0.1');
  open.push(socket);
  const bytes = lines.map((line) => `${line}\r\n`).join('');
  if (end) socket.end(bytes);
  else socket.write(bytes);
  return new Promise((done, fail) => {
    let text = '';
    const timer = setTimeout(() => fail(new Error(`only ${JSON.stringify(text)}`)), DEADLINE_MS);
    socket.on('data', (data) => {
      text += data;
      if (enough && text.includes(enough)) { clearTimeout(timer); done(text); }
    });
    socket.on('end', () => { clearTimeout(timer); done(text); });
    socket.on('error', fail);
  });
}

const subscribe = (node, ...words) => ask(node, [words.join(' ')], `\r\n${words.at(-1)}\r\n:`);

test('channels, counts and patterns of all nodes are added up', async () => {
  await subscribe(nodes[0], 'SUBSCRIBE', 'one', 'both');
  await subscribe(nodes[1], 'SUBSCRIBE', 'both', 'two');
  await subscribe(nodes[2], 'SSUBSCRIBE', 'both');
  await subscribe(nodes[2], 'PSUBSCRIBE', 'p.*', 'q.*');
  await subscribe(nodes[1], 'PSUBSCRIBE', 'p.*');
  for (const node of nodes) {
    const text = await ask(node, ['PUBSUB CHANNELS', 'PUBSUB NUMSUB both none', 'PUBSUB NUMPAT', 'PING'], 'PONG\r\n');
    assert.equal(text, '*3\r\n$4\r\nboth\r\n$3\r\none\r\n$3\r\ntwo\r\n' +
      '*4\r\n$4\r\nboth\r\n:3\r\n$4\r\nnone\r\n:0\r\n:2\r\n+PONG\r\n');
  }
});

test('more than may be under way is answered all the same', async () => {
  const asked = Array.from({ length: 300 }, () => 'PUBSUB NUMPAT');
  const text = await ask(nodes[0], [...asked, 'QUIT'], null);
  assert.equal(text, `${':2\r\n'.repeat(asked.length)}+OK\r\n`);
});

test('who ends its side after asking is answered whole', async () => {
  const questions = Array.from({ length: 300 }, () => 'PUBSUB NUMPAT');
  assert.equal(await ask(nodes[0], questions, null, true), ':2\r\n'.repeat(questions.length));
  const many = Array.from({ length: 5000 }, () => 'COMMAND LIST'); // 2 MB of answers
  const lists = (await ask(nodes[0], many, null, true)).match(/\*24\r\n/g);
  assert.equal(lists.length, many.length);
});

test('a node that stands still is left out', async () => {
  const unanswered = async () => {
    const { text } = await get(`${nodes[0].url}/metrics`);
    return Number(/^starling_calls_unanswered_total (\d+)/m.exec(text)[1]);
  };
  const before = await unanswered();
  process.kill(nodes[2].process.pid, 'SIGSTOP');
  try {
    const text = await ask(nodes[0], ['PUBSUB NUMSUB both', 'PING'], 'PONG\r\n');
    assert.equal(text, '*2\r\n$4\r\nboth\r\n:2\r\n+PONG\r\n');
    assert.equal(await unanswered(), before + 1);
  } finally {
    process.kill(nodes[2].process.pid, 'SIGCONT');
  }
  await until('it is asked again', DEADLINE_MS, async () =>
    (await ask(nodes[0], ['PUBSUB NUMSUB both', 'PING'], 'PONG\r\n')).includes(':3\r\n'));
});

test('a node that is gone is not waited for', async () => {
  await nodes[2].kill();
  await until('its subscriptions are gone', DEADLINE_MS, async () =>
    (await ask(nodes[0], ['PUBSUB NUMSUB both', 'PING'], 'PONG\r\n')).includes(':2\r\n'));
});
