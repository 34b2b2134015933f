// SPDX-License-Identifier: Apache-2.0
//
// A client that subscribes what is measured and never reads again: it stands
// still before the measurement begins, with items waiting for it in the node.
import net from 'node:net';
import { get, sleep, until } from '../e2e/harness.mjs';

const FILLER = 'slow-reader-filler';
const VALUE_LEN = 8 << 10;
const WAITING_LEN = 16 << 10; // far below what a node takes for too slow
const AT_ONCE = 6; // the system takes some megabytes first
const FILL_MS = 10000;
const FIND_MS = 20000;

// A connection in RESP: send(words), and text() of what came and was not taken.
function dial(url) {
  const { hostname, port } = new URL(url);
  const socket = net.connect(Number(port), hostname);
  let came = '';
  socket.on('data', (data) => { came += data.toString('latin1'); });
  socket.on('error', () => {});
  return { socket,
    send: (...words) => socket.write(`*${words.length}\r\n`
      + words.map((w) => `$${Buffer.byteLength(w)}\r\n${w}\r\n`).join('')),
    take: () => { const text = came; came = ''; return text; } };
}

async function waiting(url) {
  const { text } = await get(`${url}/metrics`);
  return Number(/^starling_output_queue_bytes (\d+)/m.exec(text)?.[1] ?? NaN);
}

// The topic of the generator: the only one besides ours.
async function topicOf(conn) {
  let topic;
  let text = '';
  await until('the generator subscribed', FIND_MS, async () => {
    conn.send('PUBSUB', 'CHANNELS');
    await sleep(20);
    text = conn.take();
    topic = text.split('\r\n').find((line) => /^[^*$:+-]/.test(line) && line !== FILLER);
    return topic;
  });
  return topic;
}

async function fill(url, conn) {
  const value = 'x'.repeat(VALUE_LEN);
  await until('items wait for the slow reader', FILL_MS, async () => {
    for (let i = 0; i < AT_ONCE; i += 1) conn.send('PUBLISH', FILLER, value);
    return await waiting(url) >= WAITING_LEN;
  });
}

// The `beside` of rounds.mjs: the end tells what was still waiting, and fails if
// the reader did not stand still all the time.
export async function slowReader({ url }) {
  const reader = dial(url);
  const asker = dial(url);
  const close = () => { reader.socket.destroy(); asker.socket.destroy(); };
  try {
    reader.send('SUBSCRIBE', FILLER);
    await until('the slow reader is subscribed', FILL_MS, () => reader.take().includes(FILLER));
    reader.socket.pause();
    await fill(url, asker);
  } catch (error) {
    close();
    throw error;
  }
  const joined = topicOf(asker).then((topic) => reader.send('SUBSCRIBE', topic));
  joined.catch(() => {});
  return async () => {
    try {
      await joined;
      const slow_waiting_bytes = await waiting(url);
      if (!(slow_waiting_bytes >= WAITING_LEN)) throw new Error('the slow reader was let go');
      return { slow_waiting_bytes };
    } finally {
      close();
    }
  };
}
