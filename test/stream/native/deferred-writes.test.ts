import t from 'tap';
import { type DeferredWriter, DeferredWrites } from '../../../lib/stream/native/deferred-writes.js';

function writer(name: string, order: string[]): DeferredWriter {
	return { flushText: () => order.push(name) };
}

t.test('what a round has made is written when it ends, in its order', async (t) => {
	const writes = new DeferredWrites();
	const order: string[] = [];
	writes.add(writer('a', order));
	writes.add(writer('b', order));
	await Promise.resolve();
	t.same(order, [], 'not within the round');
	await new Promise(setImmediate);
	t.same(order, ['a', 'b']);
});

t.test('no more than a few wait, however long the round is', async (t) => {
	const writes = new DeferredWrites();
	const order: string[] = [];
	for (let index = 0; index < 40; index++) writes.add(writer(String(index), order));
	t.equal(order.length, 32, 'written before the round ends');
	await new Promise(setImmediate);
	t.same(
		order,
		Array.from({ length: 40 }, (_, index) => String(index)),
	);
});

t.test('the next round is written too', async (t) => {
	const writes = new DeferredWrites();
	const order: string[] = [];
	for (const name of ['a', 'b', 'c']) {
		writes.add(writer(name, order));
		await new Promise(setImmediate);
		t.equal(order.at(-1), name);
	}
});
