// SPDX-License-Identifier: Apache-2.0
//
// What a page does in tests: readers of numbers, one by starling.js, one by
// EventSource, which comes back to the same URL by itself.
export async function createReaders(connect, { endpoints, balancer, topic, token }) {
  const star = connect({ endpoints, token });
  const byStar = { name: 'starling.js in Chromium', got: [], gaps: 0, star };
  const sub = star.subscribe('demo', topic, {
    onItem: (item) => byStar.got.push(Number(item.value)),
    onGap: () => { byStar.gaps += 1; },
  });
  await sub.ready;

  const byEvents = { name: 'EventSource', got: [], gaps: 0 };
  const connectEvents = () => {
    const source = new EventSource(`${balancer}/topics/demo/${topic}?token=${token}`);
    byEvents.source = source;
    source.onmessage = (event) => byEvents.got.push(Number(event.data));
    source.addEventListener('discontinuity', () => { byEvents.gaps += 1; });
    return new Promise((done) => { source.onopen = done; });
  };
  await connectEvents();
  return [byStar, byEvents];
}
