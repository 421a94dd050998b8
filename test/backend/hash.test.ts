import t from 'tap';
import { avalanche, crc32, djb2, none, sdbm, wt6 } from '../../lib/backend/hash.js';

/** Computed by the converters of HAProxy 2.6.12: sdbm, djb2, wt6, crc32, sdbm(1), wt6(1). */
const FROM_THE_BINARY: readonly (readonly [string, number, number, number, number, number, number])[] = [
	['a', 97, 177670, 1900802597, 3904355907, 1830748055, 1986649387],
	['ab', 6363201, 5863208, 314091001, 2659403885, 3352188731, 988008184],
	['hello', 684824882, 261238937, 3538347703, 907060870, 2061535398, 140457739],
	['12345', 803477555, 194116516, 542456068, 3421846044, 2486420844, 1149784632],
	['Zz~', 751538654, 193479159, 2854270186, 4228366131, 236467786, 39931052],
	// The bytes C2 80 C3 BF.
	['\xc2\x80\xc3\xbf', 2180325882, 2093591401, 1096676168, 2805778561, 1751423956, 1611221458],
];

t.test('hash functions give what HAProxy gives', async (t) => {
	for (const [key, s, d, w, c, sa, wa] of FROM_THE_BINARY) {
		t.same(
			[sdbm(key), djb2(key), wt6(key), crc32(key), avalanche(sdbm(key)), avalanche(wt6(key))],
			[s, d, w, c, sa, wa],
			key,
		);
	}
});

t.test('known values and empty keys', async (t) => {
	t.equal(crc32('123456789'), 0xcbf43926, 'the check value of CRC-32');
	t.equal(crc32(''), 0);
	t.equal(sdbm(''), 0);
	t.equal(djb2(''), 5381);
});

t.test('none takes the number as it is', async (t) => {
	t.equal(none('4294967295'), 0xffffffff);
	t.equal(none('4294967297'), 1, 'low 32 bits');
	t.equal(none('17x'), 17);
	t.equal(none('x'), 0);
});

t.test('avalanche: one bit of the input changes about half of the output', async (t) => {
	let flipped = 0;
	let count = 0;
	for (let value = 0; value < 200; value++) {
		for (let bit = 0; bit < 32; bit++) {
			let difference = avalanche(value * 7919) ^ avalanche(((value * 7919) ^ (1 << bit)) >>> 0);
			for (; difference !== 0; difference &= difference - 1) flipped++;
			count++;
		}
	}
	const mean = flipped / count;
	t.ok(mean > 15 && mean < 17, `mean ${mean} of 32`);
});
