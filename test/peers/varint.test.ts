import fc from 'fast-check';
import t from 'tap';
import { BodyReader, varintSize, writeVarint, writeVarint64 } from '../../lib/peers/varint.js';
import { slowReadVarint, slowVarint, unitVectors } from './recorded.js';

const MASK_32 = 0xffffffffn;
const low = (value: bigint): number => Number(value & MASK_32);
const high = (value: bigint): number => Number(value >> 32n);

function write(value: bigint): string {
	const target = Buffer.alloc(16, 0xaa);
	return target.subarray(0, writeVarint64(target, 0, low(value), high(value))).toString('hex');
}

function read(bytes: Buffer): { value: bigint; used: number } {
	const reader = new BodyReader();
	reader.reset(bytes, 0, bytes.length);
	const lowHalf = reader.readLow();
	return { value: (BigInt(reader.high) << 32n) | BigInt(lowHalf), used: reader.offset };
}

t.test('values of the vectors, both ways', async (t) => {
	for (const { value, hex } of unitVectors<{ value: string; hex: string }[]>('varint')) {
		const number = BigInt.asUintN(64, BigInt(value));
		t.equal(write(number), hex, `${value} written`);
		t.strictSame(read(Buffer.from(hex, 'hex')), { value: number, used: hex.length / 2 }, `${hex} read`);
		if (number < 2n ** 32n) {
			const target = Buffer.alloc(16);
			t.equal(target.subarray(0, writeVarint(target, 0, Number(number))).toString('hex'), hex);
			t.equal(varintSize(Number(number)), hex.length / 2);
		}
	}
});

t.test('the borders of each length, one below and one above', async (t) => {
	const borders = [240n, 2288n, 264432n, 33818864n, 4328786160n, 554084600048n, 70922828777712n];
	borders.push(9078122083518704n, 1161999626690365680n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 32n, 2n ** 53n, 2n ** 44n);
	for (const border of borders) {
		for (const value of [border - 1n, border, border + 1n]) {
			const number = BigInt.asUintN(64, value);
			const bytes = Buffer.from(slowVarint(number));
			t.equal(write(number), bytes.toString('hex'), String(number));
			t.strictSame(read(bytes), { value: number, used: bytes.length }, String(number));
		}
	}
});

t.test('agrees with the slow codec', async () => {
	fc.assert(
		fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.nat(63), (value, shift) => {
			const number = value >> BigInt(shift);
			const bytes = Buffer.from(slowVarint(number));
			return write(number) === bytes.toString('hex') && read(bytes).value === number;
		}),
		{ numRuns: 5000, seed: 20 },
	);
});

t.test('any bytes read as the slow codec reads them, or fail with it', async () => {
	fc.assert(
		fc.property(fc.uint8Array({ minLength: 0, maxLength: 12 }), (bytes) => {
			const expected = slowReadVarint([...bytes], 0);
			const actual = read(Buffer.from(bytes));
			if (expected === undefined || expected[1] > 10) return actual.used === -1;
			return actual.value === expected[0] && actual.used === expected[1];
		}),
		{ numRuns: 20000, seed: 21 },
	);
});

t.test('a value that never ends fails at the tenth byte, and stays failed', async (t) => {
	const endless = Buffer.alloc(1000, 0xff);
	const reader = new BodyReader();
	reader.reset(endless, 0, endless.length);
	t.equal(reader.readLow(), 0);
	t.equal(reader.offset, -1);
	t.equal(reader.readU32(), 0);
	t.equal(reader.readNumber(), 0);
	t.equal(reader.offset, -1);
});
