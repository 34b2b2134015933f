// SPDX-License-Identifier: Apache-2.0
//
// Tokens: what the own one allows, a smaller one minted from it, and a QR code
// by which a phone joins the topic.
import { $, copy, el, setText, show, svg } from './dom.js';
import { span } from './format.js';

const ROLES = { pub: 'publish', sub: 'subscribe', both: 'publish and subscribe' };

function grantText({ c, t, p, r }) {
  const topics = t !== undefined ? `topic ${t}` : p !== undefined ? `topics ${p}…` : 'all topics';
  return `${ROLES[r] || r}: ${c === '*' ? 'all caches' : `cache ${c}`}, ${topics}`;
}

// Only the geometry of the answer is taken.
function picture(text) {
  const from = new DOMParser().parseFromString(text, 'image/svg+xml').documentElement;
  const paths = [...from.querySelectorAll('path')].map((path) => path.getAttribute('d') || '');
  const dark = paths[paths.length - 1];
  const side = Number((from.getAttribute('viewBox') || '').split(' ')[2]);
  if (!dark || !(side > 0)) return null;
  return svg('svg', { class: 'qr', viewBox: `0 0 ${side} ${side}`, role: 'img', 'aria-label': 'QR code of the link',
    'shape-rendering': 'crispEdges' }, svg('rect', { width: side, height: side, fill: '#fff' }), svg('path', { d: dark, fill: '#000' }));
}

export class Tokens {
  constructor(app) {
    this.app = app;
    this.minted = '';
    $('mint-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.mint();
    });
    $('invite').addEventListener('click', () => this.invite(''));
    $('copy-token').addEventListener('click', () => copy($('copy-token'), this.minted));
    $('show-token').addEventListener('click', () => this.reveal($('minted').textContent !== this.minted));
    $('copy-link').addEventListener('click', () => copy($('copy-link'), this.link));
    $('leave').addEventListener('click', () => app.useToken(''));
  }

  draw() {
    const { api } = this.app;
    const { claims } = api;
    show($('own-token'), api.token !== '');
    show($('no-keys'), api.token === '');
    show($('mint-form'), api.token !== '' && api.may('admin:tokens'));
    show($('no-mint'), api.token !== '' && !api.may('admin:tokens'));
    if (claims) {
      setText($('own-subject'), claims.subject || 'nobody in particular');
      setText($('own-expires'), claims.expires ? `for ${span(claims.expires - Date.now())}` : 'for ever');
      $('own-rights').replaceChildren(...claims.grants.map((grant) => el('li', {}, grantText(grant))),
        ...claims.scopes.map((scope) => el('li', {}, scope)));
    }
    if (!$('mint-cache').value) this.follow();
  }

  // The topic that is tried is the one most likely shared.
  follow() {
    const { cache, topic } = this.app.chosenTopic();
    $('mint-cache').value = cache;
    $('mint-topic').value = topic;
  }

  // Not longer than the own token, which would be refused.
  wish() {
    const topic = $('mint-topic').value;
    const which = { topic: { topic }, prefix: { topic_prefix: topic }, all: {} }[$('mint-which').value];
    const subject = $('mint-subject').value;
    const { claims } = this.app.api;
    const left = claims && claims.expires ? Math.floor((claims.expires - Date.now()) / 1000) - 5 : Infinity;
    return { ttl_s: Math.max(1, Math.min(Number($('mint-ttl').value), left)), ...(subject && { subject }),
      grants: [{ cache: $('mint-cache').value, ...which, role: $('mint-role').value }] };
  }

  async mint() {
    const answer = await this.app.api.ask('/v1/tokens', { method: 'POST', body: JSON.stringify(this.wish()) });
    if (!answer.ok) {
      this.say(answer.error);
      return;
    }
    this.minted = answer.body.token;
    this.say(`✓ valid until ${new Date(answer.body.valid_until * 1000).toLocaleString()}`);
    show($('minted-token'), true);
    this.reveal(false);
    await this.invite(this.minted);
  }

  reveal(shown) {
    setText($('minted'), shown ? this.minted : `${this.minted.slice(0, 6)}${'•'.repeat(18)}`);
    setText($('show-token'), shown ? 'Hide' : 'Show');
  }

  say(text) {
    setText($('mint-note'), text);
  }

  // A link to this page, whose fragment no server sees.
  async invite(token) {
    const chosen = this.app.chosenTopic();
    const [cache, topic] = token ? [$('mint-cache').value, $('mint-topic').value] : [chosen.cache, chosen.topic];
    const parts = new URLSearchParams({ ...(token && { t: token }), c: cache, topic });
    this.link = `${chosen.endpoint || this.app.api.base}/console#${parts}`;
    const answer = await this.app.api.ask('/v1/qr', { method: 'POST', body: this.link });
    const qr = answer.ok ? picture(answer.body) : null;
    $('qr').replaceChildren(...(qr ? [qr] : []));
    const local = /^(127\.|localhost$|\[::1\])/.test(new URL(this.link).hostname);
    setText($('qr-note'), !answer.ok ? answer.error
      : local ? 'A phone cannot reach this address: start with `starling dev --lan`.' : 'Scan it to join this topic.');
    show($('link'), true);
  }
}
