// SPDX-License-Identifier: Apache-2.0
//
// What is asked of the node that we are connected to, and the token for it. The
// token is in the session's memory of this tab, or comes in the fragment of
// the address, which no server ever sees.
const TIMEOUT_MS = 5000;

function takeFragment() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const [from, to] of [['t', 'token'], ['c', 'cache'], ['topic', 'topic']]) {
    if (given.get(from)) sessionStorage.setItem(to, given.get(from));
  }
  if (location.hash) history.replaceState(null, '', location.pathname);
  return given.has('topic');
}

// What the token says of itself; null if it cannot be read here. Only for
// people: nodes judge by themselves.
function claimsOf(token) {
  try {
    const jwt = token.includes('.') ? token : JSON.parse(atob(token)).api_key;
    const text = atob(jwt.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'));
    const claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (c) => c.charCodeAt(0))));
    return { subject: claims.sub || '', expires: (claims.exp || 0) * 1000, grants: claims.gr || [], scopes: claims.sc || [] };
  } catch {
    return null;
  }
}

// The path of a topic, for people: slashes stay unless a part is dots, which on
// the way would be taken for folders.
export function topicPath(cache, topic) {
  const parts = topic.split('/');
  const dotted = parts.some((part) => part === '.' || part === '..');
  return `${encodeURIComponent(cache)}/${dotted ? encodeURIComponent(topic) : parts.map(encodeURIComponent).join('/')}`;
}

export class Api {
  constructor() {
    this.base = location.origin;
    this.invited = takeFragment(); // to a topic
    this.anonymous = true; // until a node wants a token
  }

  get token() {
    return sessionStorage.getItem('token') || '';
  }

  set token(token) {
    if (token) sessionStorage.setItem('token', token);
    else sessionStorage.removeItem('token');
  }

  get claims() {
    return this.token ? claimsOf(this.token) : null;
  }

  // Whether the token says that it has a scope, as far as that can be told.
  // Without keys a node gives everyone some.
  may(scope) {
    const { claims } = this;
    if (!this.token) return !['admin:kick', 'admin:write', 'admin:tokens'].includes(scope);
    return !claims || claims.scopes.includes(scope) || claims.scopes.includes('admin:*');
  }

  // To a node and back, in ms, on a connection that is open already; null if it
  // is not there.
  async roundTrip(endpoint) {
    try {
      let best = Infinity;
      for (let i = 0; i < 3; i += 1) {
        const start = performance.now();
        await (await fetch(`${endpoint}/livez`, { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) })).text();
        best = Math.min(best, performance.now() - start);
      }
      return best;
    } catch {
      return null;
    }
  }

  // Never throws: { ok, status, body, error }.
  async ask(path, { method = 'GET', body, base = this.base } = {}) {
    const headers = this.token ? { Authorization: this.token } : {};
    try {
      const response = await fetch(base + path, {
        method, headers, body, cache: 'no-store', referrerPolicy: 'no-referrer', signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const text = await response.text();
      const isJson = (response.headers.get('content-type') || '').startsWith('application/json');
      const told = isJson && text ? JSON.parse(text) : text;
      return { ok: response.ok, status: response.status, body: told,
        error: response.ok ? '' : (told && told.message) || `the node answers ${response.status}` };
    } catch (error) {
      return { ok: false, status: 0, body: null,
        error: error.name === 'TimeoutError' ? 'the node does not answer' : 'the node cannot be reached' };
    }
  }
}
