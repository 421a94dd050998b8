import t from 'tap';
import type { ProxyModel } from '../../lib/config/model.js';
import { shouldRedispatch, turnAroundMs } from '../../lib/stream/retry.js';

const model = (redispatch: number | undefined, retries = 3, connectMs?: number) =>
	({ retries, options: { redispatch }, timeouts: { connectMs } }) as unknown as ProxyModel;

t.test('which retries go to another server (manual, option redispatch)', async (t) => {
	const rows: readonly (readonly [interval: number | undefined, redispatched: readonly number[]])[] = [
		[undefined, []],
		[0, []],
		[1, [1, 2, 3]],
		[2, [2]],
		[3, [3]],
		[-1, [3]],
		[-2, [2]],
		[-9, []],
	];
	for (const [interval, expected] of rows) {
		const found = [1, 2, 3].filter((retry) => shouldRedispatch(retry, model(interval), 3));
		t.same(found, expected, `interval ${interval}`);
	}
});

t.test('a second, or timeout connect, before the same server is tried again', async (t) => {
	t.equal(turnAroundMs(model(undefined)), 1000);
	t.equal(turnAroundMs(model(undefined, 3, 5000)), 1000);
	t.equal(turnAroundMs(model(undefined, 3, 200)), 200);
});
