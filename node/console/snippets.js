// SPDX-License-Identifier: Apache-2.0
//
// The same topic from elsewhere: lines to paste, filled in with this endpoint,
// cache, topic and, when asked for, token.
import { topicPath } from './api.js';
import { $, copy, el, keyed, setAttr, setText, show } from './dom.js';

const MASK = '$STARLING_TOKEN';

const inShell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const inScript = (text) => JSON.stringify(text);

// at: { endpoint, cache, topic, token }; no token: the node has no keys.
function addressOf(at) {
  return `${at.endpoint}/topics/${topicPath(at.cache, at.topic)}`;
}

const asHeader = (at) => (at.token ? ` -H "Authorization: ${at.token}"` : '');

const SNIPPETS = {
  curl: (at) => [
    '# subscribe: an event stream', `curl -N${asHeader(at)} -H 'Accept: text/event-stream' ${inShell(addressOf(at))}`,
    '', '# publish', `curl${asHeader(at)} -d hello ${inShell(addressOf(at))}`],
  EventSource: (at) => [
    `const events = new EventSource(${inScript(addressOf(at) + (at.token ? `?token=${at.token}` : ''))});`,
    'events.onmessage = (event) => console.log(event.data, event.lastEventId);',
    "events.addEventListener('discontinuity', (event) => console.log('missed something', event.data));"],
  'starling.js': (at) => [
    `import { connect } from ${inScript(`${at.endpoint}/starling.js`)};`, '',
    `const star = connect({ endpoints: [${inScript(at.endpoint)}]${at.token ? `, token: ${inScript(at.token)}` : ''} });`,
    `const sub = star.subscribe(${inScript(at.cache)}, ${inScript(at.topic)});`,
    `await star.publish(${inScript(at.cache)}, ${inScript(at.topic)}, 'hello');`,
    'for await (const item of sub) console.log(item.seq, item.value);'],
  'redis-cli': (at) => {
    const { hostname, port, protocol } = new URL(at.endpoint);
    const tls = protocol === 'https:';
    const line = `redis-cli -h ${hostname} -p ${port || (tls ? 443 : 80)}${tls ? ' --tls' : ''}` +
      ` --user ${at.cache} --pass ${at.token ? `"${at.token}"` : 'any'}`;
    return [`${line} subscribe ${inShell(at.topic)}`, `${line} publish ${inShell(at.topic)} hello`];
  },
  'Momento SDK': (at) => {
    const { hostname, port, protocol } = new URL(at.endpoint);
    const plain = protocol === 'http:';
    const provider = plain ? `CredentialProvider.forMomentoLocal({ hostname: '${hostname}', port: ${port || 80} })`
      : `CredentialProvider.fromString(${inScript(at.token || 'KEY')}) // a key of format v1 names its endpoint`;
    return ["import { CredentialProvider, TopicClient } from '@gomomento/sdk';",
      `const credentialProvider = ${provider};`,
      'const topics = new TopicClient({ credentialProvider });',
      `await topics.subscribe(${inScript(at.cache)}, ${inScript(at.topic)}, {`,
      '  onItem: (item) => console.log(item.valueString()),', '});',
      `await topics.publish(${inScript(at.cache)}, ${inScript(at.topic)}, 'hello');`];
  },
};

export class Snippets {
  constructor(app) {
    this.app = app;
    this.shown = false; // the token
    this.kind = 'curl';
    this.text = el('code');
    this.choice = el('div', { class: 'choice', role: 'group', 'aria-label': 'Which client' });
    this.copy = el('button', { type: 'button', class: 'small' }, 'Copy');
    this.reveal = el('button', { type: 'button', class: 'small', 'aria-pressed': 'false' }, 'Show token');
    $('snippets').append(this.choice,
      el('pre', { tabindex: 0, 'aria-label': 'Lines to paste' }, this.text), el('p', { class: 'tools' }, this.copy, this.reveal));
    this.copy.addEventListener('click', () => copy(this.copy, this.text.textContent));
    this.reveal.addEventListener('click', () => {
      this.shown = !this.shown;
      this.draw();
    });
  }

  draw() {
    const { token } = this.app.api;
    const at = { ...this.app.chosenTopic(), token: token && (this.shown ? token : MASK) };
    if (!at.endpoint) at.endpoint = this.app.api.base;
    keyed(this.choice, Object.keys(SNIPPETS), (kind) => kind, (kind) => {
      const button = el('button', { type: 'button', class: 'small' }, kind);
      button.addEventListener('click', () => {
        this.kind = kind;
        this.draw();
      });
      return button;
    }, (button, kind) => setAttr(button, 'aria-pressed', String(kind === this.kind)));
    setText(this.text, SNIPPETS[this.kind](at).join('\n'));
    show(this.reveal, token !== '');
    setAttr(this.reveal, 'aria-pressed', String(this.shown));
    setText(this.reveal, this.shown ? 'Hide token' : 'Show token');
  }
}
