/** The file of a code cache: what it takes to be used. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readCodeCache, writeCodeCache } from '../../bin/code-cache.js';

const TEXT = Buffer.from('let a = 1;');
const CACHE = Buffer.from('what the engine made of it');

t.test('a cache is read back for the text it was made of', (t) => {
	const path = join(t.testdir(), 'program.cache');
	writeCodeCache(path, TEXT, CACHE);
	t.same(readCodeCache(path, TEXT), CACHE);
	t.notOk(existsSync(`${path}.new`));
	t.equal(readCodeCache(path, Buffer.from('let a = 2;')), undefined, 'a text of the same length');
	t.equal(readCodeCache(`${path}.other`, TEXT), undefined, 'no file');
	t.end();
});

t.test('a damaged file is none', (t) => {
	const path = join(t.testdir(), 'program.cache');
	writeCodeCache(path, TEXT, CACHE);
	const whole = readFileSync(path);
	for (let length = 0; length < whole.length; length++) {
		writeFileSync(path, whole.subarray(0, length));
		t.equal(readCodeCache(path, TEXT), undefined, `cut to ${length} bytes`);
	}
	for (let place = 0; place < whole.length; place++) {
		const changed = Buffer.from(whole);
		changed.writeUInt8(changed.readUInt8(place) ^ 1, place);
		writeFileSync(path, changed);
		t.equal(readCodeCache(path, TEXT), undefined, `a bit changed in byte ${place}`);
	}
	t.end();
});
