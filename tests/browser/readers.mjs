// SPDX-License-Identifier: Apache-2.0
//
// Readers of numbers, each in its own way, and what they must not have missed.
import assert from 'node:assert/strict';
import http from 'node:http';
import fs from 'node:fs';

// What one of them got: numbers in the order of arrival, and gaps told.
export class Heard {
  constructor(name) { Object.assign(this, { name, got: [], gaps: 0 }); }

  // 0 missing, 0 twice: all of `sure` are there, once.
  assertWhole(sure, from = 0) {
    this.assertOnce();
    const got = new Set(this.got);
    const missing = sure.filter((n) => n >= from && !got.has(n));
    assert.deepEqual(missing, [], `${this.name} misses ${missing.length}`);
    assert.equal(this.gaps, 0, `${this.name} was told of gaps`);
  }

  assertOnce() {
    const twice = this.got.filter((n, i) => this.got.indexOf(n) !== i);
    assert.deepEqual(twice, [], `${this.name} got twice`);
  }

  // What is missing lies where a gap was told: between its neighbours.
  assertTold(sure) {
    this.assertOnce();
    const got = new Set(this.got);
    const told = this.told || [];
    for (const n of sure.filter((one) => one > this.got[0] && !got.has(one))) {
      assert.ok(told.some(([before, next]) => n > before && n < next), `${this.name} misses ${n} untold`);
    }
  }

  has(number) { return this.got.includes(number); }
}

// The position protocol: each poll goes on where the last answer ended.
export class PollReader extends Heard {
  constructor(url, topic, token) {
    super('long-poll');
    Object.assign(this, { url: `${url}/topics/demo/${topic}`, token, open: true });
    this.done = this.#loop();
  }

  async #loop() {
    let from = '';
    while (this.open) {
      try {
        const response = await fetch(this.url + from, { headers: { Authorization: this.token } });
        if (response.status !== 200) continue;
        const answer = await response.json();
        for (const { item, discontinuity } of answer.items) {
          if (discontinuity) this.gaps += 1;
          else this.got.push(Number(item.value.text));
        }
        from = `?sequence_page=${answer.sequence_page}&sequence_number=${answer.sequence_number}`;
        this.position = from;
      } catch { /* the node goes: again, elsewhere */ }
    }
  }

  close() { this.open = false; }
}

// starling.js in this process.
export class StarReader extends Heard {
  constructor(star, topic) {
    super(`starling.js by ${star.transport || 'any'}`);
    this.told = [];
    this.sub = star.subscribe('demo', topic, {
      onItem: (item) => {
        if (item.gap) this.told.push([this.got.at(-1) ?? -1, Number(item.value)]);
        this.got.push(Number(item.value));
      },
      onGap: () => { this.gaps += 1; },
    });
  }
}

// In a page: starling.js and EventSource, collected there.
export async function pageReaders(page, { endpoints, balancer, topic, token }) {
  await page.evaluate(async (o) => {
    const { connect } = await import('/starling.js');
    const { createReaders } = await import('/page.js');
    window.readers = await createReaders(connect, o);
  }, { endpoints, balancer, topic, token });
  return async () => {
    const told = await page.evaluate(() => window.readers.map(({ name, got, gaps }) => ({ name, got, gaps })));
    return told.map((one) => Object.assign(new Heard(one.name), one));
  };
}

// A page of another origin than any node, which serves the module itself.
export async function pageServer() {
  const files = {
    '/': ['text/html; charset=utf-8', '<!doctype html><title>page</title><link rel="icon" href="data:,">'],
    '/starling.js': ['text/javascript', fs.readFileSync(new URL('../../node/console/starling.js', import.meta.url))],
    '/page.js': ['text/javascript', fs.readFileSync(new URL('page.js', import.meta.url))],
  };
  const server = http.createServer((request, response) => {
    const [type, text] = files[request.url] || ['text/plain', ''];
    response.setHeader('Content-Type', type);
    response.end(text);
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
