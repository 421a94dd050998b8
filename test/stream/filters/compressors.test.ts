/** What compresses: streams that are used again, and the limits of rate, load and level. */

import { gunzipSync, inflateRawSync } from 'node:zlib';
import t from 'tap';
import { FilterChain } from '../../../lib/stream/filters/body-filter.js';
import { CompressionFilter } from '../../../lib/stream/filters/compression.js';
import { type Coder, Compressors } from '../../../lib/stream/filters/compressors.js';
import { FakeClock } from '../../fixtures/stream-view.js';

class SetClock extends FakeClock {
	override nowMs = 10_000;
	override monotonicMs(): number {
		return this.nowMs;
	}
}
const limits = { levelMax: 1, bytesPerSecondMax: 0, cpuMaxPercent: 100 };

/** One body through a filter, in pieces; with `together` within one turn. */
async function packed(
	compressors: Compressors,
	algorithm: Coder,
	pieces: Buffer[],
	together: boolean,
): Promise<Buffer> {
	const out: Buffer[] = [];
	let counted = 0;
	const chain = new FilterChain([new CompressionFilter(algorithm, compressors, (inBytes) => (counted += inBytes))]);
	await new Promise<void>((resolve, reject) => {
		chain.open({ write: (bytes) => void out.push(bytes), end: resolve, progressed: () => undefined }, reject);
		void (async () => {
			for (const piece of pieces) {
				chain.write(piece);
				if (!together) await new Promise((next) => setImmediate(next));
			}
			chain.end();
		})();
	});
	if (counted !== pieces.reduce((sum, piece) => sum + piece.length, 0)) throw new Error(`counted ${counted}`);
	chain.close();
	return Buffer.concat(out);
}

t.test('a stream that has served serves again, whole bodies and pieces', async (t) => {
	const compressors = new Compressors({ ...limits, clock: new FakeClock() });
	for (let round = 0; round < 5; round++) {
		const pieces = Array.from({ length: 30 }, (_, i) => Buffer.from(`piece ${round} ${i} `.repeat(400)));
		const whole = Buffer.concat(pieces);
		for (const together of [true, false]) {
			t.ok(gunzipSync(await packed(compressors, 'gzip', pieces, together)).equals(whole), `gzip ${round} ${together}`);
			t.ok(inflateRawSync(await packed(compressors, 'raw-deflate', pieces, together)).equals(whole));
		}
	}
	const short = Buffer.from('short');
	t.ok(gunzipSync(await packed(compressors, 'gzip', [short], true)).equals(short));
	t.ok(gunzipSync(await packed(compressors, 'gzip', [], true)).equals(Buffer.alloc(0)), 'a body without a byte');
});

t.test('bodies that are given up at any point leave nothing at work', async (t) => {
	const compressors = new Compressors({ ...limits, clock: new FakeClock() });
	for (let at = 0; at < 4; at++) {
		let wrote = 0;
		const chain = new FilterChain([new CompressionFilter('gzip', compressors, () => undefined)]);
		chain.open({ write: () => wrote++, end: () => t.fail('no end'), progressed: () => undefined }, (error) =>
			t.error(error),
		);
		for (let i = 0; i < at; i++) {
			chain.write(Buffer.alloc(100_000, i));
			await new Promise((next) => setImmediate(next));
		}
		const before = wrote;
		chain.close();
		await new Promise((next) => setImmediate(next));
		await new Promise((next) => setImmediate(next));
		t.equal(wrote, before, `closed after ${at} pieces`);
	}
});

t.test('maxcomprate: nothing is begun above it, and it is forgotten after two seconds', async (t) => {
	const clock = new SetClock();
	const compressors = new Compressors({ ...limits, bytesPerSecondMax: 1000, clock });
	t.ok(compressors.mayBegin());
	compressors.count(1500);
	t.notOk(compressors.mayBegin());
	clock.nowMs += 1000;
	t.notOk(compressors.mayBegin(), 'the second before still counts');
	clock.nowMs += 600;
	t.ok(compressors.mayBegin(), 'less and less');
	clock.nowMs += 5000;
	t.equal(compressors.rate(), 0);
});
