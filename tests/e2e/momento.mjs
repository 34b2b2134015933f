// SPDX-License-Identifier: Apache-2.0
//
// Momento's Pubsub by hand, for tests: messages as bytes, gRPC over node's own
// HTTP/2, gRPC-web over HTTP/1.
import http from 'node:http';
import http2 from 'node:http2';

export const SUBSCRIBE = '/cache_client.pubsub.Pubsub/Subscribe';
export const PUBLISH = '/cache_client.pubsub.Pubsub/Publish';

// --- messages ---

export function varint(value) {
  const out = [];
  for (let v = BigInt(value); ; v >>= 7n) {
    if (v < 128n) return Buffer.from([...out, Number(v)]);
    out.push(Number(v & 127n) | 128);
  }
}
export const field = (number, bytes) =>
  Buffer.concat([varint(number << 3 | 2), varint(Buffer.byteLength(bytes)), Buffer.from(bytes)]);
const numeric = (number, value) => Buffer.concat([varint(number << 3), varint(value)]);

export function frame(message, flags = 0) {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

export const publishMessage = (cache, topic, value) => Buffer.concat([field(1, cache), field(2, topic),
  field(3, field(typeof value === 'string' ? 1 : 2, value))]);
export const subscribeMessage = (cache, topic, { seq, page } = {}) => Buffer.concat([field(1, cache),
  field(2, topic), ...(seq ? [numeric(3, seq), numeric(4, page)] : [])]);

// [number, value] of each field; numbers fit a double here.
function fields(bytes) {
  const out = [];
  let at = 0;
  const number = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const c = bytes[at++];
      value |= BigInt(c & 127) << shift;
      if (c < 128) return Number(value);
    }
  };
  while (at < bytes.length) {
    const tag = number();
    const value = number();
    if ((tag & 7) === 0) {
      out.push([tag >> 3, value]);
    } else {
      out.push([tag >> 3, bytes.subarray(at, at + value)]);
      at += value;
    }
  }
  return out;
}

// { beat }, { item: { seq, page, text or binary, publisher } } or { gap: { last, next, page } }
export function readMessage(bytes) {
  const [[kind, inner]] = fields(bytes);
  const get = Object.fromEntries(fields(inner));
  if (kind === 3) return { beat: true };
  if (kind === 2) return { gap: { last: get[1] || 0, next: get[2] || 0, page: get[3] } };
  const [[form, value]] = fields(get[2]);
  return { item: { seq: get[1], page: get[4], publisher: String(get[3] || ''),
    ...(form === 1 ? { text: value.toString() } : { binary: value }) } };
}

// Cuts a stream of bytes into frames.
export class Frames {
  constructor(each) {
    this.each = each;
    this.rest = Buffer.alloc(0);
  }

  push(data) {
    this.rest = Buffer.concat([this.rest, data]);
    while (this.rest.length >= 5 && this.rest.length >= 5 + this.rest.readUInt32BE(1)) {
      const end = 5 + this.rest.readUInt32BE(1);
      this.each(this.rest[0], this.rest.subarray(5, end));
      this.rest = this.rest.subarray(end);
    }
  }
}

// --- gRPC over HTTP/2 ---

// A call of raw bytes. What comes: `messages`, `status`, `trailers`; `ended`
// when it is over. on(message) is called for each.
export function call(session, path, body, { headers = {}, on = () => {} } = {}) {
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc',
    te: 'trailers', ...headers });
  const made = { stream, messages: [], status: undefined, trailers: {}, http: undefined };
  const keep = (trailers) => {
    if (trailers['grpc-status'] === undefined) return;
    made.status = Number(trailers['grpc-status']);
    made.trailers = trailers;
  };
  const frames = new Frames((flags, message) => { made.messages.push(message); on(message); });
  stream.on('response', (head) => { made.http = head[':status']; keep(head); });
  stream.on('trailers', keep);
  stream.on('data', (data) => frames.push(data));
  stream.on('error', (error) => { made.error = error; });
  made.ended = new Promise((done) => { stream.on('close', () => done(made)); });
  if (body !== null) stream.end(body);
  return made;
}

export function connect(port) {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  return session;
}

export const publish = (session, cache, topic, value) =>
  call(session, PUBLISH, frame(publishMessage(cache, topic, value))).ended;

// A subscription: `beats`, `items`, `gaps`, in `all` in order.
export function subscribe(session, cache, topic, { position, ...options } = {}) {
  const sub = { beats: 0, items: [], gaps: [], all: [] };
  const on = (bytes) => {
    const message = readMessage(bytes);
    sub.all.push(message);
    if (message.beat) sub.beats += 1;
    if (message.item) sub.items.push(message.item);
    if (message.gap) sub.gaps.push(message.gap);
  };
  return Object.assign(call(session, SUBSCRIBE, frame(subscribeMessage(cache, topic, position)), { on, ...options }),
    sub);
}

// --- gRPC-web over HTTP/1 ---

// The same over HTTP/1, as text or not. Trailers: lines of the last frame.
export function webCall(port, path, message, { text = true, headers = {}, on = () => {} } = {}) {
  const type = text ? 'application/grpc-web-text' : 'application/grpc-web+proto';
  const made = { messages: [], status: undefined, trailers: '' };
  const frames = new Frames((flags, bytes) => {
    if (flags & 0x80) {
      made.trailers = bytes.toString();
      made.status = Number(/grpc-status:(\d+)/.exec(made.trailers)[1]);
    } else {
      made.messages.push(bytes);
      on(bytes);
    }
  });
  let left = '';
  const decode = (data) => { // each flush is padded by itself
    left += data.toString('latin1');
    const whole = left.slice(0, left.length - left.length % 4);
    left = left.slice(whole.length);
    for (const part of whole.match(/[^=]+=*/g) || []) frames.push(Buffer.from(part, 'base64'));
  };
  const request = http.request({ port, host: '127.0.0.1', path, method: 'POST', agent: false,
    headers: { 'content-type': type, 'x-grpc-web': '1', ...headers } });
  made.request = request;
  made.ended = new Promise((done) => {
    request.on('error', (error) => { made.error = error; done(made); });
    request.on('response', (response) => {
      made.http = response.statusCode;
      made.head = response.headers;
      response.on('data', (data) => (text ? decode(data) : frames.push(data)));
      response.on('error', () => {});
      response.on('close', () => done(made));
    });
  });
  const body = frame(message);
  request.end(text ? body.toString('base64') : body);
  return made;
}
