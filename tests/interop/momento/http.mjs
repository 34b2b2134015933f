// SPDX-License-Identifier: Apache-2.0
//
// The HTTP topics API as its documentation has it, on nodes with keys.
import assert from 'node:assert/strict';
import { freshTopic, until } from './cases.mjs';

export function httpCases({ nodes: [near, far], keys }) {
  const url = (node, path) => `${node.url}/topics/${path}`;
  const post = (path, { key = keys.demo, node = near, ...options } = {}) => fetch(url(node, path),
    { method: 'POST', body: 'hello', ...options, headers: { ...(key && { Authorization: key }), ...options.headers } });
  const says = async (answer, status) => {
    assert.equal(answer.status, status);
    const body = await answer.json();
    assert.equal(typeof body.code, 'number');
    assert.equal(typeof body.message, 'string');
    return body;
  };

  return {
    'http: a publish is 204 without a body': async () => {
      const answer = await post(`demo/${freshTopic()}`);
      assert.equal(answer.status, 204);
      assert.equal(await answer.text(), '');
    },
    'http: the key bare, as Bearer, or in the query; twice is 400': async () => {
      const topic = freshTopic();
      const query = `demo/${topic}?token=${encodeURIComponent(keys.demo)}`;
      assert.equal((await post(`demo/${topic}`, { key: `Bearer ${keys.demo}` })).status, 204);
      assert.equal((await post(query, { key: null })).status, 204);
      await says(await post(query), 400);
    },
    'http: no key and no good key are 401, a key for something else is 403': async () => {
      const topic = freshTopic();
      await says(await post(`demo/${topic}`, { key: null }), 401);
      await says(await post(`demo/${topic}`, { key: 'nonsense' }), 401);
      const { message } = await says(await post(`demo/${topic}`, { key: keys.reader }), 403);
      assert.match(message, /publish/);
      await says(await post(`other/${topic}`), 403);
    },
    'http: a cache that is not there is 404': async () => {
      const { message } = await says(await post(`nowhere/${freshTopic()}`, { key: keys.all }), 404);
      assert.match(message, /cache/i);
      await says(await fetch(url(near, `nowhere/x?token=${keys.all}`)), 404);
    },
    'http: names that are none are 400': async () => {
      for (const path of ['demo/', '/x', 'demo/a%00b', 'demo/%ff', 'de%20mo/x', 'demo/%zz']) {
        await says(await post(path, { key: keys.all }), 400);
      }
    },
    'http: text/plain, octet-stream and what curl -d says': async () => {
      const topic = freshTopic();
      const polled = poll(far, topic, 0, 0);
      const types = ['text/plain', 'text/plain; charset=utf-8', 'application/octet-stream',
        'application/x-www-form-urlencoded'];
      await until('one crossed', async () => {
        await post(`demo/${topic}`, { body: 'warm' });
        return Promise.race([polled.then(() => true), new Promise((go) => { setTimeout(go, 50); })]);
      });
      const position = await polled;
      for (const type of types) {
        assert.equal((await post(`demo/${topic}`, { body: 'a=b&c', headers: { 'Content-Type': type } })).status, 204);
      }
      const values = [];
      let at = position;
      await until('all four', async () => {
        at = await poll(far, topic, at.sequence_number, at.sequence_page);
        values.push(...at.items.map((element) => element.item.value));
        return values.filter((value) => value.text !== 'warm').length === 4;
      });
      assert.deepEqual(values.filter((value) => value.text !== 'warm'),
        [{ text: 'a=b&c' }, { text: 'a=b&c' }, { binary: Buffer.from('a=b&c').toString('base64') }, { text: 'a=b&c' }]);
    },
    'http: a poll waits, and goes on at last + 1 with the last page': async () => {
      const topic = freshTopic();
      const first = poll(near, topic, 0, 0);
      assert.equal(await Promise.race([first.then(() => 'answered'), new Promise((go) => { setTimeout(go, 300, 'waits'); })]), 'waits');
      assert.equal((await post(`demo/${topic}`, { body: 'one' })).status, 204);
      const { items: [{ item }] } = await first;
      assert.equal(item.topic_sequence_number, 1);
      assert.deepEqual(item.value, { text: 'one' });
      assert.equal(item.publisher_id, 'demo');
      await post(`demo/${topic}`, { body: 'two' });
      await post(`demo/${topic}`, { body: 'three' });
      const { items } = await poll(near, topic, item.topic_sequence_number + 1, item.sequence_page);
      assert.deepEqual(items.map((element) => element.item.value.text), ['two', 'three']);
    },
    'http: a poll at a position that never was is told a discontinuity': async () => {
      const topic = freshTopic();
      const { items: [{ discontinuity }] } = await poll(near, topic, 100, 7);
      assert.ok(discontinuity.new_sequence_page > 7);
      assert.equal(typeof discontinuity.last_topic_sequence, 'number');
      assert.equal(typeof discontinuity.new_topic_sequence, 'number');
    },
  };

  async function poll(node, topic, number, page) {
    const query = `sequence_number=${number}&sequence_page=${page}`;
    const answer = await fetch(url(node, `demo/${topic}?${query}`), { headers: { Authorization: keys.demo } });
    assert.equal(answer.status, 200);
    return answer.json();
  }
}
