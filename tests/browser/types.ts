// SPDX-License-Identifier: Apache-2.0
//
// What a page in TypeScript would write; only checked, never run.
import { connect, Starling, StarlingError, type Gap, type Item } from '../../node/console/starling.js';

const star: Starling = connect({ endpoints: ['http://a', 'http://b'], token: async () => 'x', region: 'nearest' });
const off: () => void = star.on('state', ({ state, endpoint, error }) => {
  const words: 'connecting' | 'open' | 'lost' | 'closed' = state;
  console.log(words, endpoint.length, error?.code);
});
const sub = star.subscribe('demo', 'chat', { onGap: (gap: Gap) => console.log(gap.next - gap.last), barrier: 'all' });

export async function use(): Promise<void> {
  for await (const item of sub) {
    const one: Item = item;
    console.log(typeof one.value === 'string' ? one.value : one.value.byteLength, one.gap?.reason);
  }
  const receipt = await star.publish('demo', 'chat', new Uint8Array(1), { receipt: true });
  console.log(receipt.nodes);
  try {
    await star.publish('demo', 'chat', 'x');
  } catch (error) {
    if (error instanceof StarlingError && error.retry) console.log(error.code + 1);
  }
  // @ts-expect-error: a value is text or bytes
  await star.publish('demo', 'chat', 7);
  off();
  star.close();
}
