// SPDX-License-Identifier: Apache-2.0
//
// What starling.js takes and gives; docs/CLIENT.md says what it means.

export interface Options {
  /** URLs of nodes, or of a balancer before them. Default: where starling.js was loaded from. */
  endpoints?: string | string[];
  /** A token, or what gets one: asked again at 80 % of its life. */
  token?: string | (() => string | Promise<string>);
  /** The name of a region, or by round trip. Default: 'nearest'. */
  region?: 'nearest' | string;
  /** Also use the endpoints that nodes tell. Default: true. */
  discover?: boolean;
  /** 'stream': never a WebSocket; 'websocket': never anything else. Default: 'auto'. */
  transport?: 'auto' | 'websocket' | 'stream';
  /** A WebSocket class, where there is no global one. */
  WebSocket?: unknown;
  /** How long publish() waits for a connection, in ms. Default: 5000. */
  publishWait?: number;
}

export type State = 'connecting' | 'open' | 'lost' | 'closed';
export type SubscriptionState = 'subscribing' | 'live' | 'lost' | 'ended';

export interface StateEvent {
  state: State;
  endpoint: string;
  node: string;
  region: string;
  error: StarlingError | null;
}

export interface Region {
  name: string;
  /** Of the node that told. */
  self: boolean;
  nodes: number;
  endpoints: string[];
  /** Round trip in ms, if it was measured. */
  rtt: number | null;
}

export interface Position {
  page: number;
  seq: number;
}

/** Items after `last` up to `next` may be missing; `last` 0 is "unknown". */
export interface Gap {
  cache: string;
  topic: string;
  page: number;
  last: number;
  next: number;
  /** 'lost' on the way, or dropped from the queue of a slow `for await`. */
  reason: 'lost' | 'queue';
}

export interface Item {
  cache: string;
  topic: string;
  value: string | Uint8Array;
  page: number;
  seq: number;
  /** Clock of the node where it was published, ms since 1970. */
  at: number;
  /** Id of that node. */
  origin: string;
  /** Subject of the publisher's token. */
  publisher?: string;
  id?: string;
  event?: string;
  contentType?: string;
  replyTo?: string;
  correlation?: string;
  expiryMs?: number;
  retryMs?: number;
  /** What may be missing directly before it. */
  gap?: Gap;
}

export interface SubscribeOptions {
  onItem?: (item: Item) => void;
  onGap?: (gap: Gap) => void;
  onState?: (event: { state: SubscriptionState; error: StarlingError | null }) => void;
  /** Which nodes must know of it before it is live. Default: 'region'. */
  barrier?: 'region' | 'all';
  /** false: not what this client itself publishes. */
  echo?: boolean;
  /** Go on after this position. */
  from?: Position;
}

export interface Subscription extends AsyncIterable<Item> {
  readonly cache: string;
  readonly topic: string;
  readonly state: SubscriptionState;
  readonly error: StarlingError | null;
  /** Of the last item that came. */
  readonly position: Position | undefined;
  /** Fulfilled when it is live for the first time. */
  readonly ready: Promise<Subscription>;
  on(name: 'item', listener: (item: Item) => void): () => void;
  on(name: 'gap', listener: (gap: Gap) => void): () => void;
  on(name: 'state', listener: (event: { state: SubscriptionState; error: StarlingError | null }) => void): () => void;
  off(name: string, listener: (value: any) => void): void;
  close(): void;
}

export interface PublishOptions {
  /** The publisher's own id of the item; nothing is made unique by it. */
  id?: string;
  event?: string;
  contentType?: string;
  replyTo?: string;
  correlation?: string;
  expiryMs?: number;
  retryMs?: number;
  /** Wait until the node has taken it. */
  receipt?: boolean;
}

export interface Receipt {
  /** On the node that took it. */
  subscriptions: number;
  /** Other nodes it was sent to. */
  nodes: number;
  /** A node that wants it has no link at the moment. */
  partial: boolean;
}

export class StarlingError extends Error {
  constructor(code: number, name: string, message: string, retry?: boolean);
  /** As in docs/PROTOCOLS.md: 4030. */
  readonly code: number;
  /** As there: 'DENIED'. */
  readonly name: string;
  /** Whether the same may go well later. */
  readonly retry: boolean;
}

export class Starling {
  private constructor();
  readonly state: State;
  readonly error: StarlingError | null;
  /** Of the node that it is connected to, else ''. */
  readonly endpoint: string;
  readonly node: string;
  readonly region: string;
  readonly transport: 'websocket' | 'stream' | '';
  readonly regions: Region[];
  /** Bytes that wait to be sent. */
  readonly buffered: number;
  on(name: 'state', listener: (event: StateEvent) => void): () => void;
  on(name: 'error', listener: (error: StarlingError) => void): () => void;
  on(name: 'regions', listener: (regions: Region[]) => void): () => void;
  on(name: 'drain', listener: () => void): () => void;
  off(name: string, listener: (value: any) => void): void;
  subscribe(cache: string, topic: string, options?: SubscribeOptions): Subscription;
  publish(cache: string, topic: string, value: string | Uint8Array | ArrayBuffer, options?: PublishOptions & { receipt: true }): Promise<Receipt>;
  publish(cache: string, topic: string, value: string | Uint8Array | ArrayBuffer, options?: PublishOptions): Promise<Receipt | undefined>;
  /** Measures the round trips to the regions anew. */
  measure(): Promise<Region[]>;
  close(): void;
}

export function connect(options?: Options): Starling;
