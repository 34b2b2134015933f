// SPDX-License-Identifier: Apache-2.0
//
// For tests of HTTP/2: frames as they go over the wire, right or wrong, and what
// comes back, frame by frame.
import net from 'node:net';

export const DATA = 0, HEADERS = 1, PRIORITY = 2, RST = 3, SETTINGS = 4, PUSH = 5, PING = 6, GOAWAY = 7,
  WINDOW = 8, CONTINUATION = 9;
export const END = 1, ACK = 1, END_HEADERS = 4, PADDED = 8;
export const CALM = 11;

export const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n >>> 0); return b; };

export function frame(type, flags, stream, payload = Buffer.alloc(0)) {
  const body = Buffer.from(payload, 'latin1');
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

export const setting = (id, value) => frame(SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, id]), u32(value)]));
export const PREFACE = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(SETTINGS, 0, 0)]);

// A field as a literal that is not indexed.
const int = (n) => (n < 127 ? [n] : [127, ...((rest) => {
  const out = [];
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  return [...out, rest];
})(n - 127)]);
const text = (value) => { const b = Buffer.from(value, 'latin1'); return Buffer.concat([Buffer.from(int(b.length)), b]); };
export const field = (name, value) => Buffer.concat([Buffer.from([0]), text(name), text(value)]);

export const block = (method, path, headers = {}) => Buffer.concat([
  field(':method', method), field(':scheme', 'http'), field(':authority', '127.0.0.1'), field(':path', path),
  ...Object.entries(headers).map(([name, value]) => field(name, value))]);
export const ask = (stream, method, path, headers, flags = END) => frame(HEADERS, END_HEADERS | flags, stream,
  block(method, path, headers));

// A connection that has said hello.
export class Raw {
  static open(port) {
    const raw = new Raw();
    raw.frames = [];
    raw.rest = Buffer.alloc(0);
    raw.closed = false;
    raw.socket = net.connect(port, '127.0.0.1');
    raw.socket.on('error', () => {});
    raw.socket.on('close', () => { raw.closed = true; });
    raw.socket.on('data', (data) => raw.take(data));
    raw.say(PREFACE);
    return raw;
  }

  say(...parts) {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(parts));
  }

  take(data) {
    this.rest = Buffer.concat([this.rest, data]);
    while (this.rest.length >= 9) {
      const len = this.rest.readUIntBE(0, 3);
      if (this.rest.length < 9 + len) break;
      this.frames.push({ type: this.rest[3], flags: this.rest[4], stream: this.rest.readUInt32BE(5),
        payload: this.rest.subarray(9, 9 + len) });
      this.rest = this.rest.subarray(9 + len);
    }
  }

  of(type, stream) {
    return this.frames.filter((f) => f.type === type && (stream === undefined || f.stream === stream));
  }

  body(stream) {
    return Buffer.concat(this.of(DATA, stream).map((f) => f.payload)).toString('latin1');
  }

  // How it was sent away: the code of the last GOAWAY, or undefined.
  get goaway() {
    return this.of(GOAWAY).at(-1)?.payload.readUInt32BE(4);
  }

  reset(stream) {
    return this.of(RST, stream).at(-1)?.payload.readUInt32BE(0);
  }

  end() {
    this.socket.destroy();
  }
}
