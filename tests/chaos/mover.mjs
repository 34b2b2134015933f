// SPDX-License-Identifier: Apache-2.0
//
// A client as a browser's EventSource is one, that goes elsewhere with its last
// event id when its node is gone; and somebody who publishes numbers for it on a
// node that stays. Full jitter, as docs/PROTOCOLS.md asks for.
import http from 'node:http';
import { sleep } from '../e2e/harness.mjs';

const EVERY_MS = 50;
const JITTER_MS = 500;
let count = 0;

export class Mover {
  // members: where to be, one after the other; the last one is published on.
  constructor(trial, members) {
    this.trial = trial;
    this.members = members;
    this.topic = `mover-${count += 1}`;
    this.headers = { Authorization: trial.world.token };
    this.at = 0;
    this.last = 0;
    this.accepted = new Set();
    this.arrivals = []; // when it was connected
    this.begun = new Promise((done) => { this.onItem = done; });
    this.live();
    this.publish();
  }

  movedAfter(since) {
    const arrival = this.arrivals.find((at) => at > since);
    return arrival ? arrival - since : NaN;
  }

  async live() {
    while (!this.isOver) {
      await this.listen(this.members[this.at % this.members.length]);
      this.at += 1;
      if (!this.isOver) await sleep(Math.random() * JITTER_MS);
    }
  }

  // Until the stream ends or is refused.
  listen(member) {
    return new Promise((done) => {
      const headers = { ...this.headers, Accept: 'text/event-stream' };
      if (this.id) headers['Last-Event-ID'] = this.id;
      this.request = http.get(`${member.url}/topics/demo/${this.topic}`, { headers, agent: false, timeout: 5000 });
      this.request.on('error', done).on('timeout', () => this.request.destroy()).on('response', (response) => {
        if (response.statusCode === 200) this.arrivals.push(performance.now());
        let text = '';
        response.on('data', (data) => {
          const events = (text + data).split('\n\n');
          text = events.pop();
          for (const event of events) this.take(event);
        }).on('error', done).on('close', done);
      });
    });
  }

  take(event) {
    this.id = event.match(/^id: (.*)$/m)?.[1] ?? this.id;
    if (event.includes('event: discontinuity')) this.told = true;
    const value = event.match(/^data: n(\d+)$/m);
    if (!value) return;
    const number = Number(value[1]);
    this.onItem();
    this.trial.expect(number > this.last, `a client that moved got ${number} after ${this.last}`);
    for (let n = this.last + 1; this.last > 0 && !this.told && n < number; n += 1) {
      this.trial.expect(!this.accepted.has(n), 'a client that moved missed items untold');
    }
    this.last = number;
    this.told = false;
  }

  async publish() {
    const { url } = this.members.at(-1);
    for (let n = 1; !this.isOver; n += 1) {
      const response = await fetch(`${url}/topics/demo/${this.topic}`,
        { method: 'POST', headers: this.headers, body: `n${n}`, signal: AbortSignal.timeout(5000) }).catch(() => null);
      if (response?.ok) this.accepted.add(n);
      await sleep(EVERY_MS);
    }
  }

  async end() {
    this.isOver = true;
    this.request.destroy();
    this.trial.expect(this.last > 0 && this.last + 40 > Math.max(...this.accepted), 'a client that moved got nothing');
  }
}
