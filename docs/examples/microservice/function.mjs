// SPDX-License-Identifier: Apache-2.0
//
// A stateless function: an order comes as a signed POST, its invoice is published
// over HTTP. It keeps nothing between two calls and holds no subscription, so it
// can be started for each call, or run many times over.
import crypto from 'node:crypto';
import http from 'node:http';

const { PORT, SECRET, STARLING_URL, STARLING_TOKEN } = process.env;
const PRICES = { bread: 3, milk: 2, honey: 7 };
const PATIENCE_S = 300;

// Whether it was posted by who knows the secret, lately.
function isSigned(headers, body) {
  const time = headers['starling-time'] ?? '';
  const mine = crypto.createHmac('sha256', SECRET).update(`${time}.`).update(body).digest();
  const theirs = Buffer.from(headers['starling-signature'] ?? '', 'hex');
  return Math.abs(Date.now() / 1000 - Number(time)) < PATIENCE_S &&
    theirs.length === mine.length && crypto.timingSafeEqual(mine, theirs);
}

async function invoice(item) {
  const order = JSON.parse(item.text);
  const total = order.items.reduce((sum, name) => sum + (PRICES[name] ?? 0), 0);
  const answer = await fetch(`${STARLING_URL}/topics/shop/invoices`, {
    method: 'POST',
    headers: { Authorization: STARLING_TOKEN, 'Content-Type': 'application/json' },
    body: JSON.stringify({ order: order.id, total }),
  });
  if (answer.status !== 204) throw new Error(`not published: ${await answer.text()}`);
}

http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (!isSigned(request.headers, body)) {
    response.writeHead(401).end();
    return;
  }
  try {
    await invoice(JSON.parse(body));
    response.writeHead(204).end();
  } catch (error) {
    console.error(error.message);
    response.writeHead(500).end();
  }
}).listen(PORT, '127.0.0.1', () => console.log('function: listens'));
