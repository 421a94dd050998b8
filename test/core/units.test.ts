import fc from 'fast-check';
import t from 'tap';
import { formatSize, formatTimeMs, MAX_TIME_MS, parseSize, parseTimeMs } from '../../lib/core/units.js';

const SEED = 20_260_101;

// Manual, 2.5; what HAProxy 2.6 accepts in `timeout client`.
const TIMES: readonly (readonly [text: string, milliseconds: number])[] = [
	['0', 0],
	['1', 1],
	['5000', 5000],
	['1us', 1],
	['999us', 1],
	['1000us', 1],
	['1001us', 2],
	['1500us', 2],
	['10ms', 10],
	['10s', 10_000],
	['10m', 600_000],
	['1h', 3_600_000],
	['1d', 86_400_000],
	['24d', 2_073_600_000],
	['2147483647', MAX_TIME_MS],
];

t.test('times', async (t) => {
	for (const [text, value] of TIMES) t.same(parseTimeMs(text), { ok: true, value }, text);
	t.same(parseTimeMs('3', 's'), { ok: true, value: 3000 }, 'another default unit');
	t.same(parseTimeMs('3', 'us'), { ok: true, value: 1 });
	t.same(parseTimeMs('3ms', 's'), { ok: true, value: 3 }, 'a written unit beats the default');
	const refused = ['', 's', '-1', '1.5s', '1 s', ' 1', '1S', '1w', '1sec', '25d', '2147483648', '1e3', '0x10', '١'];
	for (const text of [...refused, '9'.repeat(400)]) {
		t.notOk(parseTimeMs(text).ok, `'${text.slice(0, 20)}' is refused`);
	}
});

t.test('sizes', async (t) => {
	const sizes: readonly (readonly [string, number])[] = [
		['0', 0],
		['100', 100],
		['100k', 102_400],
		['1K', 1024],
		['1m', 1_048_576],
		['2G', 2_147_483_648],
	];
	for (const [text, value] of sizes) t.same(parseSize(text), { ok: true, value }, text);
	for (const text of ['', 'k', '1.5k', '-1', '1kb', '1t', '1 k']) t.notOk(parseSize(text).ok, `'${text}' is refused`);
	t.ok(parseSize('4294967295', 2 ** 32 - 1).ok);
	t.notOk(parseSize('4294967296', 2 ** 32 - 1).ok, 'over the limit');
	t.notOk(parseSize('4g', 2 ** 32 - 1).ok);
	t.notOk(parseSize('9'.repeat(400)).ok, 'no infinity');
});

t.test('printing', async (t) => {
	t.equal(formatTimeMs(1500), '1500ms');
	t.equal(formatTimeMs(60_000), '1m');
	t.equal(formatTimeMs(86_400_000), '1d');
	t.equal(formatTimeMs(0), '0ms');
	t.equal(formatSize(102_400), '100k');
	t.equal(formatSize(1023), '1023');
	t.equal(formatSize(0), '0');
});

t.test('what is printed reads back', async (t) => {
	fc.assert(
		fc.property(fc.integer({ min: 0, max: MAX_TIME_MS }), (milliseconds) => {
			const parsed = parseTimeMs(formatTimeMs(milliseconds));
			return parsed.ok && parsed.value === milliseconds;
		}),
		{ seed: SEED },
	);
	fc.assert(
		fc.property(fc.integer({ min: 0, max: 2 ** 40 }), (size) => {
			const parsed = parseSize(formatSize(size));
			return parsed.ok && parsed.value === size;
		}),
		{ seed: SEED },
	);
	t.pass(`seed ${SEED}`);
});
